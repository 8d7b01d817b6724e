"""The runs of one study: what settings, data, features and other runs each of them needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pcl import oracles, registry
from pcl.config import Arm, Config, OracleChoice, Study
from pcl.errors import UserError, did_you_mean
from pcl.methods.base import Method
from pcl.numerics import NARROWEST
from pcl.plan.budget import BudgetError, NeedsClusters
from pcl.plan.budget import check as check_budget
from pcl.plan.catalogue import Catalogue
from pcl.plan.frozen import check as check_frozen
from pcl.plan.frozen import frozen_of
from pcl.plan.identities import ANY, Features, Run, Target
from pcl.plan.tasks import Tasks


class Runs:
    """Every run that a study can have, whether or not a report shows it."""

    def __init__(
        self,
        config: Config,
        study: str | None = None,
        tasks: Tasks | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        """Resolve a study; the one that params.yaml selects unless named.

        Args:
            config: params.yaml.
            study: its name.
            tasks: those of params.yaml, where other studies have looked at them already.
            catalogue: its arms and tables, likewise.

        Raises:
            UserError: no such study.
        """
        self.config = config
        self.catalogue = Catalogue(config) if catalogue is None else catalogue
        self.name = study or config.study
        if self.name not in config.studies:
            raise UserError(f"study: no such study{did_you_mean(self.name, config.studies)}")
        self.study: Study = config.studies[self.name]
        known = Tasks(config) if tasks is None else tasks
        self.data, self.data_set, self.orientations = known.data, known.data_set, known.orientations
        self.target, self.targets, self._task = known.target, known.targets, known.task
        self._runs: dict[tuple[str, str, str, int, int], Run] = {}

    @cache  # noqa: B019 - a plan lives as long as the process
    def settings(self, arm: str) -> Any:
        """The settings of an arm in this study; raises UserError where they cannot be resolved."""
        found = self.catalogue.settings(self.name, arm)
        frozen = frozen_of(found)
        if frozen is not None:
            check_frozen(self.catalogue, self.name, arm)
        narrow = self._method(arm).network and frozen is None and found.backbone.width < NARROWEST
        if narrow and self.study.numerics == "portable":
            raise UserError(
                f"arms.{arm}.settings (in study {self.name}): backbone.width: {found.backbone.width}, but portable "
                f"numerics need {NARROWEST} channels or more; widen it, or set studies.{self.name}.numerics: native"
            )
        return found

    def run(self, task: str, orientation: str, arm: str, seed: int, budget: int | None = None) -> Run:
        """One run; the study's budget for the task unless given.

        Raises:
            UserError: there is no such task, orientation or arm, the arm's settings are wrong, the budget does not
                cover the arm's first questions, or the arm needs a number of clusters that nobody knows.
        """
        method = self._method(arm)
        if self._task(task).clusters is None and not method.finds_clusters:
            raise NeedsClusters(
                f"arm {arm} on {task}: needs K, but tasks.{task}.clusters is null; give a number there, or take an "
                "arm that finds it, such as one of the method careful"
            )
        if not method.supervised:
            orientation, budget = ANY, 0
        else:
            budget = self.study.budgets.get(task) if budget is None else budget
            if budget is None:
                raise UserError(f"studies.{self.name}.budgets: no budget for task {task!r}; give --budget")
            first = method.initial_questions(self.settings(arm))
            if budget < first:
                raise BudgetError(
                    f"budget: {budget} questions for arm {arm} on {task}, but it asks {first} before its first step; "
                    f"raise studies.{self.name}.budgets.{task} (or curve), or lower initial_questions"
                )
        place = (task, orientation, arm, budget, seed)
        if place not in self._runs:
            self._runs[place] = self._resolve(*place)
        return self._runs[place]

    def askable(self, task: str, orientation: str, arm: str, budgets: Iterable[int]) -> list[int]:
        """Those numbers of questions that an arm can ask on a task; all of them for an arm that asks nothing."""
        found = []
        for budget in budgets:
            try:
                run = self.run(task, orientation, arm, self.study.seeds[0], budget)
                images = run.data.dataset.training_images()
                if run.budget and images is not None:
                    check_budget(run, images)
                found.append(budget)
            except (BudgetError, NeedsClusters):
                continue
        return found

    def needs_clusters(self, task: str, arm: str) -> bool:
        """Whether an arm cannot run on a task for want of K: by itself, or by what it takes from another one."""
        if self._task(task).clusters is not None:
            return False
        chosen = self._arm(arm)
        frozen = frozen_of(self.settings(arm))
        seen = [*chosen.features, *([frozen] if frozen else [])]
        named = [other for name in seen for other in self.config.representations[name].named]
        others = [name for name in (chosen.source, chosen.answers, *named) if name is not None]
        return not self._method(arm).finds_clusters or any(self.needs_clusters(task, other) for other in others)

    def possible(self, arms: Iterable[str], seed: int) -> Iterator[Run]:
        """The runs of arms in every task and orientation of the study, whether or not a report shows them."""
        for task in self.study.tasks:
            for arm in arms:
                for orientation in self.orientations(task) if self._method(arm).supervised else (ANY,):
                    if self._can_answer(task, orientation, arm) and not self.needs_clusters(task, arm):
                        yield self.run(task, orientation, arm, seed)

    def pretrains(self, arm: str, name: str) -> bool:
        """Whether an arm's method may start from a pretraining of that name."""
        shared = self._method(arm).pretraining
        return shared is not None and shared.name == name

    def features(self, task: str, name: str, seed: int) -> Features:
        """A representation of a task's images.

        Raises:
            UserError: there is none of that name, or its arm has no such layer to give.
        """
        if name not in self.config.representations:
            raise UserError(f"representation: no such{did_you_mean(name, self.config.representations)}")
        settings: Any = self.config.representations[name]
        network = None
        kind = registry.get("pcl.representations", "Representation", settings.kind)
        if kind.of_network:
            arm, here = settings.arm, f"representations.{name}"
            given = self._method(arm)
            if not given.network or given.supervised:
                raise UserError(f"{here}.arm: {arm} has no features to give; name one that trains a network, unasked")
            layers = ("features", *given.layers)
            if settings.layer not in layers:
                raise UserError(f"{here}.layer: {arm} has no such layer{did_you_mean(settings.layer, layers)}")
            network = self.run(task, ANY, arm, seed)
            if settings.views and network.frozen is not None:
                raise UserError(
                    f"{here}.views: {arm} stands on frozen features itself, and no view of an image reaches it; set "
                    f"representations.{network.frozen.name}.views, and name that one"
                )
        own_seed = seed if network else 0  # pixels are the same for every seed
        return Features(name, kind, settings, self.data(task), network, own_seed, self.study.numerics)

    def _arm(self, name: str) -> Arm:
        return self.catalogue.arm(name)

    def _method(self, arm: str) -> type[Method]:
        return self.catalogue.method(arm)

    def _features(self, task: str, arm: str, seed: int) -> tuple[Features, ...]:
        """What an arm sees of the images beside, or instead of, a network of its own."""
        names, method, here = self._arm(arm).features, self._method(arm), f"arms.{arm}.features"
        if not method.sees_features(self.settings(arm)):
            if names:
                raise UserError(f"{here}: {self._arm(arm).method} as it is set looks at no representation; remove it")
            return ()
        frozen = frozen_of(self.settings(arm))
        return tuple(self.features(task, name, seed) for name in names or [frozen or "pixels"])

    def _frozen(self, task: str, arm: str, seed: int) -> Features | None:
        """The representation that an arm's network stands on, in the place of images."""
        name = frozen_of(self.settings(arm))
        return None if name is None else self.features(task, name, seed)

    def _source(self, task: str, arm: str, seed: int) -> Run | None:
        """The run whose clusters an arm takes."""
        name, method, here = self._arm(arm).source, self._method(arm), f"arms.{arm}.source"
        if name is None:
            if method.reads == "clusters":
                raise UserError(f"{here}: {self._arm(arm).method} corrects another arm's clusters; name that arm")
            return None
        if method.reads != "clusters":
            raise UserError(
                f"{here}: {self._arm(arm).method} takes no clusters; remove it (features: names features)"
            )
        if self._method(name).supervised:
            raise UserError(f"{here}: {name} has no clusters that can be taken; give an arm that asks no questions")
        return self.run(task, ANY, name, seed)

    def _answers(self, task: str, orientation: str, arm: str, budget: int, seed: int) -> Run | None:
        """The run whose answers an arm takes over."""
        name, method, here = self._arm(arm).answers, self._method(arm), f"arms.{arm}.answers"
        asks = method.strategy(self.settings(arm)) is not None
        if asks or not method.supervised:
            if name is not None:
                raise UserError(f"{here}: {self._arm(arm).method} as it is set takes over no answers; remove answers")
            return None
        if name is None:
            alone = "strategy" in method.Settings.model_fields
            remedy = f", or set arms.{arm}.settings.strategy" if alone else ""
            raise UserError(f"{here}: required by {self._arm(arm).method}; name an arm that asks questions{remedy}")
        if self._method(name).strategy(self.settings(name)) is None:
            raise UserError(f"{here}: {name} asks no questions; name an arm that does")
        return self.run(task, orientation, name, seed, budget)

    def _oracle(self, arm: str, **place: Any) -> OracleChoice:
        """Who answers; {task}, {orientation} and {seed} are filled in where a setting is a text."""
        chosen = self._arm(arm).oracle
        try:
            filled = {k: v.format(**place) if isinstance(v, str) else v for k, v in chosen.settings.items()}
            oracles.check(chosen.name, filled)
        except (KeyError, ValueError, IndexError) as error:
            raise UserError(
                f"arms.{arm}.oracle.settings: {error} is no placeholder; known: {', '.join(place)}"
            ) from error
        except UserError as error:
            raise UserError(f"arms.{arm}.oracle: {error}") from error
        return OracleChoice(name=chosen.name, settings=filled)

    def _can_answer(self, task: str, orientation: str, arm: str) -> bool:
        """Whether the questions of an arm, if it has any, find somebody who knows."""
        if not self._method(arm).supervised or self.target(task, orientation) is not None:
            return True
        asking = self._arm(arm).answers or arm
        try:
            return not oracles.get(self._arm(asking).oracle.name).needs_targets
        except UserError as error:
            raise UserError(f"arms.{asking}.oracle: {error}") from error

    def _served(self, task: str, orientation: str) -> dict[str, Target]:
        """The target clusters by which a run is scored."""
        if orientation == ANY:
            return self.targets(task)
        target = self.target(task, orientation)
        return {} if target is None else {orientation: target}

    def _resolve(self, task: str, orientation: str, arm: str, budget: int, seed: int) -> Run:
        chosen, method = self._arm(arm), self._method(arm)
        if not self._can_answer(task, orientation, arm):
            asking = chosen.answers or arm
            raise UserError(
                f"arms.{asking}.oracle: {self._arm(asking).oracle.name} answers from target clusters, but those of "
                f"{task} in orientation {orientation} are unknown; give their classes in "
                f"tasks.{task}.orientations.{orientation}, or the arm an oracle that needs none, such as replay"
            )
        return Run(
            study=self.name,
            task=task,
            orientation=orientation,
            arm=arm,
            budget=budget,
            seed=seed,
            settings=self.settings(arm),
            method=method,
            method_name=chosen.method,
            title=chosen.title,
            clusters=self.config.tasks[task].clusters,
            device=self.study.device,
            devices=self.study.resources.devices,
            numerics=self.study.numerics,
            oracle=self._oracle(arm, task=task, orientation=orientation, seed=seed),
            data=self.data(task),
            targets=self._served(task, orientation),
            features=self._features(task, arm, seed),
            frozen=self._frozen(task, arm, seed),
            source=self._source(task, arm, seed),
            answers=self._answers(task, orientation, arm, budget, seed),
        )
