"""Every arm and table there is: those of params.yaml, and those that a cross or a table of switches stands for."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations, product
from typing import Any

from pcl import registry, switches
from pcl.config import Arm, Config, Switches, Table
from pcl.errors import UserError, did_you_mean
from pcl.methods.base import Method
from pcl.plan.settings import resolve


class Switched(Arm):
    """An arm with one setting as another arm has it; it stands for itself in a table of switches only."""

    base: str
    other: str
    switch: str


class Catalogue:
    """Every arm and table of params.yaml, by its name."""

    def __init__(self, config: Config) -> None:
        """Nothing is derived before it is asked for."""
        self.config = config

    @cached_property
    def arms(self) -> dict[str, Arm]:
        """The arms that are named, and those that others stand for.

        A cross of arms and strategies stands for `arm+strategy`, a table of switches for `arm+setting`.
        """
        found = dict(self.config.arms)
        for spec in self.config.cross.values():
            for base, strategy in product(spec.arms, spec.strategies):
                arm = self._under(base, strategy)
                if self._named(arm) is None:
                    found[f"{base}+{strategy}"] = arm
        for pair in self.config.switches.values():
            for base, other in permutations(pair.arms):
                found |= self._switched(base, other)
        return found

    @cached_property
    def tables(self) -> dict[str, Table]:
        """All tables.

        A cross has a group for each arm and a row for each strategy; a table of switches a group for each of the two
        arms, with the arm itself and a row for each setting.
        """
        found = self.config.tables | self.config.on_request
        found |= {name: self._switch_table(pair) for name, pair in self.config.switches.items()}
        for name, spec in self.config.cross.items():
            rows: dict[str, list[str]] = {}
            titles: dict[str, str] = {}
            for base, strategy in product(spec.arms, spec.strategies):
                arm = self._named(self._under(base, strategy)) or f"{base}+{strategy}"
                rows.setdefault(self.config.arms[base].title, []).append(arm)
                titles[arm] = strategy
            found[name] = Table(
                title=spec.title,
                orientation=spec.orientation,
                tasks="ablation",
                split=spec.split,
                rows=rows,
                titles=titles,
            )
        return found

    def arm(self, name: str) -> Arm:
        """An arm by its name; raises UserError where there is none."""
        known = self.config.arms if name in self.config.arms else self.arms
        if name not in known:
            raise UserError(f"arm: no such arm{did_you_mean(name, known)}")
        return known[name]

    def method(self, arm: str) -> type[Method]:
        """The method of an arm; raises UserError where there is no such arm or method."""
        name = self.arm(arm).method
        try:
            method: type[Method] = registry.get("pcl.methods", "Method", name)
        except UserError as error:
            raise UserError(f"arms.{arm}.method: {error}") from error
        return method

    def settings(self, study: str, arm: str) -> Any:
        """The settings of an arm in a study; of a switched one, the base's with the switch as the other has it.

        Raises:
            UserError: a setting is unknown or wrong, or there is no such method, preset or strategy.
        """
        chosen = self.arm(arm)
        if not isinstance(chosen, Switched):
            return resolve(self.config, study, arm, chosen, self.method(arm))
        base, other = (self.settings(study, name) for name in (chosen.base, chosen.other))
        return switches.flipped(base, other, chosen.switch, f"arms.{arm}.settings (in study {study})")

    def _under(self, base: str, strategy: str) -> Arm:
        arm = self.config.arms[base]
        settings = arm.settings | {"strategy": strategy}
        return arm.model_copy(update={"title": strategy, "note": None, "settings": settings})

    def _named(self, wanted: Arm) -> str | None:
        """The arm of params.yaml that is the same but for its title and note."""
        words = {"title": wanted.title, "note": wanted.note}
        same = (name for name, arm in self.config.arms.items() if arm.model_copy(update=words) == wanted)
        return next(same, None)

    def _switch_table(self, pair: Switches) -> Table:
        return Table(
            title=pair.title,
            orientation=pair.orientation,
            tasks="ablation",
            split=pair.split,
            metrics=pair.metrics,
            differences=True,
            rows={
                f"{self.config.arms[base].title}, one setting changed": [base, *self._switched(base, other)]
                for base, other in permutations(pair.arms)
            },
        )

    def _switched(self, base: str, other: str) -> dict[str, Switched]:
        """The arms with one setting as another arm has it: all settings that differ in any study."""
        words: dict[str, str] = {}
        for study in self.config.studies:
            try:
                mine, theirs = self.settings(study, base), self.settings(study, other)
            except UserError:  # which the check of that study reports
                continue
            known = switches.leaves(theirs) | switches.leaves(mine)
            words |= {name: known[name].words if name in known else name for name in switches.differing(mine, theirs)}
        arm = self.config.arms[base]
        own = {name: getattr(arm, name) for name in Arm.model_fields}
        return {
            f"{base}+{switch.replace('.', '-')}": Switched(
                **own | {"title": title, "note": None}, base=base, other=other, switch=switch
            )
            for switch, title in words.items()
        }
