"""The runs behind every table and figure of one study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from pcl import layout, oracles, registry, switches
from pcl.artifacts import key
from pcl.config import Arm, Config, OracleChoice, Study, Table
from pcl.errors import UserError, did_you_mean
from pcl.methods.base import Method
from pcl.numerics import NARROWEST
from pcl.plan.budget import BudgetError, NeedsClusters, check_size
from pcl.plan.budget import check as check_budget
from pcl.plan.catalogue import Catalogue, Switched
from pcl.plan.frozen import check as check_frozen
from pcl.plan.frozen import frozen_of
from pcl.plan.identities import ANY, Features, Run, Target
from pcl.plan.settings import unknown_keys
from pcl.plan.tasks import Tasks


class Plan:
    """The runs behind every table and figure of one study."""

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

    @property
    def reports(self) -> list[str]:
        """The study's tables and figures, in the order of params.yaml."""
        return [name for name in (*self.config.tables, *self.config.figures) if self.concerns(name)]

    @property
    def every_report(self) -> list[str]:
        """The same with tables and figures that are made on request."""
        return [name for name in (*self.catalogue.tables, *self.config.every_figure) if self.concerns(name)]

    def concerns(self, report: str) -> bool:
        """Whether a table or figure is of this study: its orientations are those of a task, or, wrongly, of none."""
        if report in self.catalogue.tables:
            item = self.catalogue.tables[report]
            tasks, shown = self.tasks(item), set(item.orientations)
        else:
            figure = self.figure(report)
            if figure.empty:
                return False
            tasks, shown = [figure.task], set(figure.orientations)
        if any(shown <= self.orientations(task).keys() for task in tasks):
            return True
        return not any(shown <= self.orientations(task).keys() for task in self.config.tasks)

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

    def title(self, arm: str) -> str:
        """An arm's title; of one with a setting as another arm has it, with the values of both."""
        chosen = self._arm(arm)
        if not isinstance(chosen, Switched):
            return chosen.title
        here, there = (switches.shown(self.settings(name), chosen.switch) for name in (chosen.base, chosen.other))
        return f"{chosen.title}: {here} → {there}"

    def runs(self, report: str) -> list[Run]:
        """The runs behind one table or figure, each once."""
        return list({run.path: run for run in self._of(report)}.values())

    def remarks(self, report: str) -> list[str]:
        """What must be said of the data and features that the runs behind one table or figure rest on."""
        behind = {}
        todo = self.runs(report)
        while todo:
            run = todo.pop()
            if run.path not in behind:
                behind[run.path] = [
                    of for of in (run.data.dataset.remark, *(own.kind.remark for own in run.representations)) if of
                ]
                todo += run.takes_from
        return sorted({remark for remarks in behind.values() for remark in remarks})

    def all_runs(self) -> list[Run]:
        """The runs behind every table and figure, each once."""
        return list({run.path: run for report in self.reports for run in self.runs(report)}.values())

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

    def lacking(self, item: Table) -> set[tuple[str, str]]:
        """(arm, task) of what a table leaves out, as the arm needs K and the task has none."""
        return {(arm, task) for task in self.tasks(item) for arm in item.arms if self.needs_clusters(task, arm)}

    def refused(self, item: Table) -> dict[tuple[str, str], str]:
        """(arm, task) of what a table leaves out, as the arm with its one changed setting cannot run, -> why."""
        places = product(item.arms, self.tasks(item))
        reasons = {(arm, task): self._refused(task, item.orientation, arm) for arm, task in places}
        return {place: reason for place, reason in reasons.items() if reason is not None}

    def _refused(self, task: str, orientation: str, arm: str) -> str | None:
        """Why an arm with one setting as another arm has it does not run, if it does not."""
        chosen = self._arm(arm)
        if not isinstance(chosen, Switched):
            return None
        try:
            if self.settings(arm) == self.settings(chosen.base):
                return f"{chosen.base} and {chosen.other} have the same in study {self.name}"
            self._hold(self.run(task, orientation, arm, self.study.seeds[0]))
        except UserError as error:
            return str(error)
        return None

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

    def figure(self, name: str) -> Any:
        """A figure, of its kind (`pcl/report/figures/base.py`); raises UserError where there is none."""
        if name not in self.config.every_figure:
            raise UserError(f"figure: no such figure{did_you_mean(name, self.config.every_figure)}")
        kind = registry.get("pcl.report.figures", "Figure", self.config.every_figure[name].kind)
        return kind(self, name)

    def precomputed(self, figure: str) -> Path | None:
        """The file of what takes long enough in a figure to carry a key too; None where it needs only a summary."""
        if not self.figure(figure).precomputed:
            return None
        shown = self.config.every_figure[figure].model_dump(exclude={"title"})
        name = key({"shown": shown, "runs": [str(run.path) for run in self.runs(figure)]})
        return layout.FIGURE.path(figure=figure, key=name)

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

    def tasks(self, item: Table) -> list[str]:
        """The tasks of a table."""
        return self.study.tasks if item.tasks == "all" else [self.study.ablation]

    def check(self) -> None:
        """Raise UserError with everything in the study, and in every arm, that cannot be resolved."""
        problems = dict.fromkeys(str(problem) for problem in self._problems())
        if problems:
            raise UserError("\n".join(problems))

    def _problems(self) -> Iterator[UserError | str]:
        yield from unknown_keys(self.config, self.name)
        own = (name for name, arm in self.catalogue.arms.items() if not isinstance(arm, Switched))
        steps = [partial(self.settings, arm) for arm in own]
        steps += [partial(self.orientations, task) for task in self.study.tasks]
        steps += [partial(self._askable, report) for report in (*self.catalogue.tables, *self.config.every_figure)]
        for step in steps:
            try:
                step()
            except UserError as error:
                yield error

    def _askable(self, report: str) -> None:
        """Raise UserError where the runs of a report cannot be planned, or cannot ask what they may ask."""
        if not self.concerns(report):
            return
        if report in self.config.every_figure:
            self.figure(report).check()
        for run in self.runs(report):
            if run.seed == self.study.seeds[0]:
                self._hold(run)

    def _hold(self, run: Run) -> None:
        """Hold a run against the number of its training images, where that is known; raises UserError."""
        images = run.data.dataset.training_images()
        if images is not None:
            check_size(run, images)
            if run.budget:
                check_budget(run, images)

    def _of(self, report: str) -> Iterator[Run]:
        if report in self.catalogue.tables:
            item = self.catalogue.tables[report]
            left_out = self.lacking(item) | self.refused(item).keys()
            for task, orientation, arm in product(self.tasks(item), item.orientations, item.arms):
                if (arm, task) in left_out:
                    continue
                for budget in self.askable(task, orientation, arm, item.budgets) if item.budgets else [None]:
                    seeds = item.seeds or self.study.seeds
                    yield from (self.run(task, orientation, arm, seed, budget) for seed in seeds)
        elif report in self.config.every_figure:
            yield from self.figure(report).runs()
        else:
            known = [*self.catalogue.tables, *self.config.every_figure]
            raise UserError(f"report: no such table or figure{did_you_mean(report, known)}")

    def _arm(self, name: str) -> Arm:
        return self.catalogue.arm(name)

    def _method(self, arm: str) -> type[Method]:
        return self.catalogue.method(arm)

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
