"""What a study consists of: data, target clusters, pretraining and runs, each with the path of what it leaves.

A path carries a key, eight hexadecimal digits of a hash over everything the numbers depend on and nothing else: a
changed setting is another path, so that no old number can stand under a new setting. Seeds stay outside the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

from pcl import datasets, oracles, orientations, registry
from pcl.artifacts import key
from pcl.config import Config, Curve, OracleChoice, Projection, Strict, Study, Table, Task, did_you_mean, validate
from pcl.errors import UserError
from pcl.methods.base import DeepMethod, DeepSettings, FrozenMethod, Method

RESULTS = Path("results")
ANY = "any"


@dataclass(frozen=True)
class Data:
    """A prepared data set."""

    name: str
    settings: dict[str, Any]

    @cached_property
    def key(self) -> str:
        """Names the arrays."""
        return datasets.data_key(self.name, self.settings)

    @property
    def path(self) -> Path:
        """The folder of arrays and manifest."""
        return RESULTS / "data" / self.name / self.key


@dataclass(frozen=True)
class Target:
    """The target clusters of a task in one orientation."""

    task: str
    orientation: str
    data: Data
    map: orientations.Orientation

    @cached_property
    def key(self) -> str:
        """Names the map and the labels it was applied to."""
        return key({"map": self.map.key(), "data": self.data.key})

    @property
    def path(self) -> Path:
        """The file of target clusters."""
        return RESULTS / "tasks" / self.task / self.orientation / f"{self.key}.npz"


@dataclass(frozen=True)
class Pretraining:
    """Weights, and answers to Q₁ random questions, that runs start from."""

    scope: str
    orientation: str
    name: str
    spec: dict[str, Any]
    seed: int

    @property
    def path(self) -> Path:
        """The folder of weights and answers."""
        place = RESULTS / "pretrain" / self.scope / self.orientation / self.name
        return place / key(self.spec) / f"seed{self.seed}"


@dataclass(frozen=True)
class Run:
    """One (task, orientation, arm, budget, seed).

    `orientation` is "any" where no question is asked: such a run is scored in every orientation of its task.
    """

    study: str
    task: str
    orientation: str
    arm: str
    budget: int
    seed: int
    settings: Any
    method: type[Method]
    method_name: str
    label: str
    clusters: int
    device: str
    oracle: OracleChoice
    data: Data
    targets: dict[str, Target]
    source: Run | None
    answers: Run | None

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything the numbers depend on, but for the seed."""
        return {
            "method": self.method_name,
            "version": self.method.version,
            "task": self.task,
            "clusters": self.clusters,
            "data": self.data.key,
            "targets": self._targets,
            "budget": self.budget,
            "oracle": self._oracle,
            "settings": self.settings.model_dump(mode="json"),
            "pretraining": key(self.pretraining.spec) if self.pretraining else None,
            "source": self.source.key if self.source else None,
            "answers": self.answers.key if self.answers else None,
        }

    @property
    def _targets(self) -> dict[str, str]:
        return {name: target.key for name, target in self.targets.items()}

    @property
    def _oracle(self) -> dict[str, Any] | None:
        asks = self.method.supervised and self.answers is None
        return oracles.spec(self.oracle.name, self.oracle.settings) if asks else None

    @cached_property
    def key(self) -> str:
        """Names the spec."""
        return key(self.spec)

    @property
    def path(self) -> Path:
        """The run folder."""
        place = RESULTS / "runs" / self.task / self.orientation / self.arm
        return place / f"q{self.budget}" / self.key / f"seed{self.seed}"

    @cached_property
    def pretraining(self) -> Pretraining | None:
        """What the run starts from; None if its method trains in one go."""
        shared = self.method.pretraining
        if not issubclass(self.method, DeepMethod) or shared is None:
            return None
        stages = self.method(self.settings, self.clusters, self.budget).stages()
        if not any(stage.pretraining for stage in stages):
            return None
        settings = self.settings.model_dump(mode="json").items()
        spec: dict[str, Any] = {
            "pretraining": shared.name,
            "version": shared.version,
            "data": self.data.key,
            "settings": {name: value for name, value in settings if name not in shared.later_settings},
        }
        asks = self.method.initial_questions(self.settings) > 0
        if asks:
            spec |= {"targets": self._targets, "oracle": self._oracle}
        scope = self.data.name
        if shared.on == "task":
            scope, spec["clusters"] = self.task, self.clusters
        return Pretraining(scope, self.orientation if asks else ANY, shared.name, spec, self.seed)


class Plan:
    """The runs behind every table and figure of one study."""

    def __init__(self, config: Config, study: str | None = None) -> None:
        """Resolve a study; the one that params.yaml selects unless named.

        Raises:
            UserError: no such study.
        """
        self.config = config
        self.name = study or config.study
        if self.name not in config.studies:
            raise UserError(f"study: no such study{did_you_mean(self.name, config.studies)}")
        self.study: Study = config.studies[self.name]
        self._runs: dict[tuple[str, str, str, int, int], Run] = {}

    @property
    def reports(self) -> list[str]:
        """Tables and figures, in the order of params.yaml."""
        return [*self.config.tables, *self.config.figures]

    @cache  # noqa: B019 - a plan lives as long as the process
    def data(self, task: str) -> Data:
        """The data set of a task."""
        name = self._task(task).dataset
        return Data(name, self.config.datasets.get(name, {}))

    @cache  # noqa: B019
    def target(self, task: str, orientation: str) -> Target:
        """The target clusters of a task in an orientation.

        Raises:
            UserError: there is no such orientation, its map does not fit the data set, or it has another number of
                clusters than the task.
        """
        found = orientations.load(task, orientation, clusters=self._task(task).clusters)
        return Target(task, orientation, self.data(task), found)

    @cached_property
    def orientations(self) -> dict[str, tuple[str, ...]]:
        """Task -> its orientations."""
        found = orientations.available()
        for task in self.config.tasks:
            if task not in found:
                raise UserError(f"tasks.{task}: has no file in {orientations.FOLDER}{did_you_mean(task, found)}")
        return found

    def settings(self, arm: str) -> Any:
        """The settings of an arm in this study.

        A method's own defaults, then the study's training scale, the arm's preset, the study's settings of the
        method, and the arm's settings; later ones win.

        Raises:
            UserError: a setting is unknown or wrong, or there is no such method, preset or strategy.
        """
        chosen, method = self._arm(arm), self._method(arm)
        if chosen.preset is not None and chosen.preset not in method.presets:
            hint = did_you_mean(chosen.preset, method.presets)
            raise UserError(f"arms.{arm}.preset: {chosen.method} has no preset{hint}")
        known = method.Settings.model_fields
        layers = (
            {name: value for name, value in self.study.training.items() if name in known},
            method.presets[chosen.preset] if chosen.preset else {},
            self.study.methods.get(chosen.method, {}),
            chosen.settings,
        )
        merged: dict[str, Any] = {}
        for layer in layers:
            merged = _merged(merged, layer)
        settings = validate(method.Settings, merged, f"arms.{arm}.settings (in study {self.name})")
        if hasattr(settings, "strategy"):
            _plugin("pcl.strategies", "Strategy", settings.strategy, f"arms.{arm}.settings.strategy")
        return settings

    def run(self, task: str, orientation: str, arm: str, seed: int, budget: int | None = None) -> Run:
        """One run; the study's budget for the task unless given.

        Raises:
            UserError: there is no such task, orientation or arm, the arm's settings are wrong, or the budget does not
                cover the arm's first questions.
        """
        self._task(task)
        method = self._method(arm)
        if not method.supervised:
            orientation, budget = ANY, 0
        else:
            budget = self.study.budgets.get(task) if budget is None else budget
            if budget is None:
                raise UserError(f"studies.{self.name}.budgets: no budget for task {task!r}; give --budget")
            first = method.initial_questions(self._settings_of(arm))
            if budget < first:
                raise UserError(
                    f"budget: {budget} questions for arm {arm} on {task}, but it asks {first} before its first step; "
                    f"raise studies.{self.name}.budgets.{task} (or curve), or lower initial_questions"
                )
        place = (task, orientation, arm, budget, seed)
        if place not in self._runs:
            self._runs[place] = self._resolve(*place)
        return self._runs[place]

    def runs(self, report: str) -> list[Run]:
        """The runs behind one table or figure, each once."""
        return list({run.path: run for run in self._of(report)}.values())

    def all_runs(self) -> list[Run]:
        """The runs behind every table and figure, each once."""
        return list({run.path: run for report in self.reports for run in self.runs(report)}.values())

    def projection(self, figure: str) -> Path:
        """The file of a figure's projection, which takes long enough to carry a key too."""
        shown = self.config.figures[figure].model_dump(exclude={"title"})
        name = key({"shown": shown, "runs": [str(run.path) for run in self.runs(figure)]})
        return RESULTS / "projection" / figure / f"{name}.npz"

    def possible(self, arms: Iterable[str], seed: int) -> Iterator[Run]:
        """The runs of arms in every task and orientation of the study, whether or not a report shows them."""
        for task in self.study.tasks:
            for arm in arms:
                for orientation in self.orientations[task] if self._method(arm).supervised else (ANY,):
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
        here = f"studies.{self.name}"
        methods = registry.names("pcl.methods", "Method")
        known = {name for method in methods for name in _settings(method).model_fields}
        for name in self.study.training.keys() - known:
            yield f"{here}.training.{name}: unknown key{did_you_mean(name, DeepSettings.model_fields)}"
        for method, settings in self.study.methods.items():
            if method not in methods:
                yield f"{here}.methods: no such{did_you_mean(method, methods)}"
                continue
            fields = _settings(method).model_fields
            for name in settings.keys() - fields.keys():
                yield f"{here}.methods.{method}.{name}: unknown key{did_you_mean(name, fields)}"
        steps = [partial(self.settings, arm) for arm in self.config.every_arm]
        steps += [partial(self.runs, report) for report in [*self.config.every_table, *self.config.figures]]
        for step in steps:
            try:
                step()
            except UserError as error:
                yield error

    def _of(self, report: str) -> Iterator[Run]:
        item: Table | Curve | Projection
        if report in self.config.every_table:
            item = self.config.every_table[report]
            for task in self.tasks(item):
                for arm in item.arms:
                    yield from (self.run(task, item.orientation, arm, seed) for seed in self.study.seeds)
        elif report in self.config.figures:
            item = self.config.figures[report]
            if isinstance(item, Projection):
                seed = self.study.seeds[0]
                yield from (self.run(self.study.projection, name, item.arm, seed) for name in item.orientations)
            else:
                for arm in item.arms:
                    for budget in self.study.curve:
                        for seed in self.study.seeds:
                            yield self.run(self.study.ablation, item.orientation, arm, seed, budget)
        else:
            known = [*self.config.every_table, *self.config.figures]
            raise UserError(f"report: no such table or figure{did_you_mean(report, known)}")

    def _arm(self, name: str) -> Any:
        if name not in self.config.every_arm:
            raise UserError(f"arm: no such arm{did_you_mean(name, self.config.every_arm)}")
        return self.config.every_arm[name]

    def _method(self, arm: str) -> type[Method]:
        method: type[Method] = _plugin("pcl.methods", "Method", self._arm(arm).method, f"arms.{arm}.method")
        return method

    def _task(self, name: str) -> Task:
        if name not in self.config.tasks:
            raise UserError(f"task: no such task{did_you_mean(name, self.config.tasks)}")
        return self.config.tasks[name]

    def _source(self, task: str, arm: str, seed: int) -> Run | None:
        """The run whose features or clusters an arm takes."""
        name, method, here = self._arm(arm).source, self._method(arm), f"arms.{arm}.source"
        reads = method.reads if issubclass(method, FrozenMethod) else None
        if name is None:
            if reads == "clusters":
                raise UserError(f"{here}: {self._arm(arm).method} corrects another arm's clusters; name that arm")
            return None
        if reads is None:
            raise UserError(f"{here}: {self._arm(arm).method} trains its own features; remove source")
        given = self._method(name)
        if given.supervised or (reads == "features" and not issubclass(given, DeepMethod)):
            kind = "trains a network and asks no questions" if reads == "features" else "asks no questions"
            raise UserError(f"{here}: {name} has no {reads} that can be taken; give an arm that {kind}")
        return self.run(task, ANY, name, seed)

    def _answers(self, task: str, orientation: str, arm: str, budget: int, seed: int) -> Run | None:
        """The run whose answers an arm takes over."""
        name, method, here = self._arm(arm).answers, self._method(arm), f"arms.{arm}.answers"
        takes = issubclass(method, FrozenMethod) and method.supervised
        if not takes:
            if name is not None:
                raise UserError(f"{here}: {self._arm(arm).method} takes over no answers; remove answers")
            return None
        if name is None:
            raise UserError(f"{here}: required by {self._arm(arm).method}; name an arm that asks questions")
        given = self._method(name)
        if not given.supervised or not issubclass(given, DeepMethod):
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

    def _resolve(self, task: str, orientation: str, arm: str, budget: int, seed: int) -> Run:
        chosen, method = self._arm(arm), self._method(arm)
        names = (orientation,) if method.supervised else self.orientations[task]
        return Run(
            study=self.name,
            task=task,
            orientation=orientation,
            arm=arm,
            budget=budget,
            seed=seed,
            settings=self._settings_of(arm),
            method=method,
            method_name=chosen.method,
            label=chosen.label,
            clusters=self.config.tasks[task].clusters,
            device=self.study.device,
            oracle=self._oracle(arm, task=task, orientation=orientation, seed=seed),
            data=self.data(task),
            targets={name: self.target(task, name) for name in names},
            source=self._source(task, arm, seed),
            answers=self._answers(task, orientation, arm, budget, seed),
        )

    @cache  # noqa: B019 - a plan lives as long as the process
    def _settings_of(self, arm: str) -> Any:
        return self.settings(arm)


class Plans:
    """The studies of params.yaml together: what leaves the file of a given path."""

    def __init__(self, config: Config) -> None:
        """Nothing is resolved before it is asked for."""
        self.config = config
        self.studies = {name: Plan(config, name) for name in config.studies}

    @property
    def selected(self) -> Plan:
        """The study whose reports lie directly in reports/."""
        return self.studies[self.config.study]

    def task_of(self, dataset: str) -> str:
        """A task of the data set; raises UserError if it has none."""
        for name, task in self.config.tasks.items():
            if task.dataset == dataset:
                return name
        known = (task.dataset for task in self.config.tasks.values())
        raise UserError(f"tasks: none is of the data set{did_you_mean(dataset, known)}")

    def run(self, task: str, orientation: str, arm: str, budget: int, key: str, seed: int) -> Run:
        """The run that leaves such a folder, in whichever study, shown in a report or not.

        Raises:
            UserError: there is none; the message says what params.yaml makes of the same words now.
        """
        wanted = RESULTS / "runs" / task / orientation / arm / f"q{budget}" / key / f"seed{seed}"
        now = []
        for name, plan in self.studies.items():
            try:
                run = plan.run(task, orientation, arm, seed, budget)
                if run.path == wanted:
                    return run
                now.append(f"study {name} has {run.path}")
            except UserError as error:
                now.append(f"study {name}: {error}")
        raise _unknown(wanted, now)

    def projecting(self, figure: str, key: str) -> Plan:
        """The study in which the projection of a figure carries a key; raises UserError if there is none."""
        for plan in self.studies.values():
            if plan.projection(figure).stem == key:
                return plan
        raise UserError(f"{RESULTS}/projection/{figure}/{key}.npz: no study of params.yaml has this projection")

    def run_at(self, path: Path) -> Run:
        """The run whose folder, or a file in it, is at a path.

        Raises:
            UserError: the path is not one of a run, or `run` knows none there.
        """
        place = r"runs/([^/]+)/([^/]+)/([^/]+)/q(\d+)/([0-9a-f]{8})/seed(\d+)(?:/|$)"
        words = re.search(place, path.as_posix())
        if words is None:
            raise UserError(f"{path}: not a run folder; `pcl runs` lists them all")
        task, orientation, arm, budget, key, seed = words.groups()
        return self.run(task, orientation, arm, int(budget), key, int(seed))

    def pretraining(self, scope: str, orientation: str, name: str, key: str, seed: int) -> Run:
        """A run that starts from the pretraining in such a folder.

        Raises:
            UserError: there is none.
        """
        wanted = RESULTS / "pretrain" / scope / orientation / name / key / f"seed{seed}"
        now = []
        for (study, plan), arm in product(self.studies.items(), self.config.every_arm):
            try:
                if not plan.pretrains(arm, name):
                    continue
                for run in plan.possible([arm], seed):
                    if run.pretraining is not None:
                        if run.pretraining.path == wanted:
                            return run
                        now.append(f"study {study} has {run.pretraining.path}")
            except UserError as error:
                now.append(f"study {study}: {error}")
        raise _unknown(wanted, now)


def _unknown(path: Path, now: list[str]) -> UserError:
    lines = dict.fromkeys(["no run of params.yaml leaves this folder (`pcl runs` lists them all)", *now])
    return UserError(f"{path}: " + "\n  ".join(lines))


def _plugin(package: str, class_name: str, name: str, where: str) -> Any:
    try:
        return registry.get(package, class_name, name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _settings(method: str) -> type[Strict]:
    settings: type[Strict] = registry.get("pcl.methods", "Method", method).Settings
    return settings


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One layer of settings over another; mappings are merged key by key."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
