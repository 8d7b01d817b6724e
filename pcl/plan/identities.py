"""The things that are planned, each with its key and its path."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pcl import datasets, layout, oracles, orientations, versions
from pcl.artifacts import key
from pcl.config import OracleChoice
from pcl.folder import PretrainingFolder, RunFolder
from pcl.methods.base import Method
from pcl.numerics import Numerics
from pcl.representations.base import Representation
from pcl.representations.store import MANIFEST

ANY = "any"


@dataclass(frozen=True)
class Data:
    """A prepared data set."""

    dataset: datasets.Dataset

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.dataset.name

    @cached_property
    def key(self) -> str:
        """Names the arrays."""
        return self.dataset.key()

    @property
    def path(self) -> Path:
        """The folder of arrays and manifest."""
        return layout.DATA.path(dataset=self.name, key=self.key)


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
        return layout.TARGET.path(task=self.task, orientation=self.orientation, key=self.key)


@dataclass(frozen=True)
class Pretraining:
    """Weights, and answers to Q₁ random questions, that runs start from."""

    scope: str
    orientation: str
    name: str
    spec: dict[str, Any]
    seed: int

    @cached_property
    def key(self) -> str:
        """Names the spec."""
        return key(self.spec)

    @property
    def path(self) -> Path:
        """The folder of weights and answers."""
        words = {"scope": self.scope, "orientation": self.orientation, "name": self.name}
        return layout.PRETRAINING.path(**words, key=self.key, seed=self.seed)

    @property
    def folder(self) -> PretrainingFolder:
        """The files in it."""
        return PretrainingFolder(self.path)


@dataclass(frozen=True)
class Features:
    """One representation of a data set, or of a task where its network is told the number of clusters."""

    name: str
    kind: type[Representation]
    settings: Any
    data: Data
    network: Run | None
    seed: int
    numerics: Numerics

    @property
    def spec(self) -> dict[str, Any]:
        """Everything the features depend on, but for the seed."""
        left_out = {"kind", "arm"} | (set() if self.settings.views else {"views", "augmentation"})
        spec = {
            "numerics": self.numerics,
            "kind": self.settings.kind,
            "version": self.kind.version,
            "settings": self.settings.model_dump(mode="json", exclude=left_out),
            "data": self.data.key,
            "network": self.network.key if self.network else None,
        }
        return spec | ({"code": versions.of_modules([])} if self.settings.views else {})

    @cached_property
    def key(self) -> str:
        """Names the spec."""
        return key(self.spec)

    @property
    def scope(self) -> str:
        """The task of the network; else the data set."""
        return self.network.task if self.network else self.data.name

    @property
    def path(self) -> Path:
        """The folder of arrays and manifest."""
        return layout.FEATURES.path(scope=self.scope, name=self.name, key=self.key, seed=self.seed)

    @property
    def last(self) -> Path:
        """The file that is written last."""
        return self.path / MANIFEST


@dataclass(frozen=True)
class Run:
    """One (task, orientation, arm, budget, seed).

    `orientation` is "any" where no question is asked: such a run is scored in every orientation of its task.
    `clusters` is None where nobody knows how many there are, and the answers must tell.
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
    title: str
    clusters: int | None
    device: str
    devices: int
    numerics: Numerics
    oracle: OracleChoice
    data: Data
    targets: dict[str, Target]
    features: tuple[Features, ...]
    frozen: Features | None
    source: Run | None
    answers: Run | None

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything the numbers depend on, but for the seed."""
        spec = {
            "method": self.method_name,
            "version": self.method.version,
            "code": versions.of_method(self.method),
            "numerics": self.numerics,
            "task": self.task,
            "clusters": self.clusters,
            "data": self.data.key,
            "targets": self._targets,
            "budget": self.budget,
            "oracle": self._oracle,
            "settings": self.settings.model_dump(mode="json"),
            "pretraining": self.pretraining.key if self.pretraining else None,
            "source": self.source.key if self.source else None,
            "answers": self.answers.key if self.answers else None,
        }
        if self.features:
            spec["features"] = [own.key for own in self.features]
        return spec | self._frozen

    @property
    def _frozen(self) -> dict[str, str]:
        return {"frozen": self.frozen.key} if self.frozen else {}

    @property
    def _targets(self) -> dict[str, str]:
        return {name: target.key for name, target in self.targets.items()}

    @property
    def representations(self) -> list[Features]:
        """Those that it needs: what is looked at, and what its network stands on."""
        return list({own.path: own for own in (*self.features, self.frozen) if own is not None}.values())

    @property
    def takes_from(self) -> list[Run]:
        """The runs whose clusters, answers or networks it needs."""
        others = [self.source, self.answers, *(own.network for own in self.representations)]
        return [other for other in others if other is not None]

    @property
    def name(self) -> str:
        """The run in words, for who waits for it."""
        return f"{self.task} {self.orientation} {self.arm} q{self.budget} seed{self.seed}"

    @property
    def command(self) -> str:
        """What makes the run by hand."""
        place = f"{self.task} {self.orientation} {self.arm} --study {self.study} --seed {self.seed}"
        return f"pcl train {place} --budget {self.budget}"

    @property
    def interactive(self) -> bool:
        """Whether a person is asked."""
        return self._oracle is not None and oracles.get(self.oracle.name).interactive

    @property
    def _oracle(self) -> dict[str, Any] | None:
        return oracles.spec(self.oracle.name, self.oracle.settings) if self.asks else None

    @property
    def asks(self) -> bool:
        """Whether it asks questions, rather than none or those of another run."""
        return self.method.supervised and self.answers is None

    @cached_property
    def key(self) -> str:
        """Names the spec."""
        return key(self.spec)

    @property
    def path(self) -> Path:
        """The run folder."""
        words = {name: getattr(self, name) for name in ("task", "orientation", "arm", "budget", "key", "seed")}
        return layout.RUN.path(**words)

    @property
    def folder(self) -> RunFolder:
        """The files in it."""
        return RunFolder(self.path)

    @cached_property
    def pretraining(self) -> Pretraining | None:
        """What the run starts from; None if its method trains in one go."""
        shared = self.method.pretraining
        if shared is None:
            return None
        stages = self.method(self.settings, self.clusters, self.budget).stages()
        if not any(stage.pretraining for stage in stages):
            return None
        settings = self.settings.model_dump(mode="json").items()
        spec: dict[str, Any] = {
            "pretraining": shared.name,
            "version": shared.version,
            "numerics": self.numerics,
            "code": versions.of_modules([shared.module]),
            "data": self.data.key,
            "settings": {name: value for name, value in settings if name not in shared.later_settings},
            **self._frozen,
        }
        asks = self.method.initial_questions(self.settings) > 0
        if asks:
            spec |= {"targets": self._targets, "oracle": self._oracle}
        scope = self.data.name
        if shared.on == "task":
            scope, spec["clusters"] = self.task, self.clusters
        return Pretraining(scope, self.orientation if asks else ANY, shared.name, spec, self.seed)
