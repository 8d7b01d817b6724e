"""What a method is: settings, stages, and the few things the training loop asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from pcl.config import Strict

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.constraints import Constraints
    from pcl.engine.session import Batch, Session

Kind = Literal["images", "pairs", "must", "cannot"]
Recipe = Literal["standard", "weak", "strong"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Positive = Annotated[int, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Above = Annotated[float, Gt(0)]
Probability = Annotated[float, Interval(ge=0, le=1)]


class Backbone(Strict):
    """The network under every head."""

    depth: Literal[10, 18, 34] = 34
    width: Positive = 64
    stem: Literal["imagenet", "small"] = "imagenet"


class Augmentation(Strict):
    """How a random view of an image is drawn, and the normalisation of every image."""

    crop_area: tuple[Probability, Probability] = (0.08, 1.0)
    crop_ratio: tuple[Above, Above] = (3 / 4, 4 / 3)
    flip: Probability = 0.5
    jitter: tuple[NonNegative, NonNegative, NonNegative, NonNegative] = (0.4, 0.4, 0.4, 0.1)
    jitter_probability: Probability = 0.8
    grey_probability: Probability = 0.2
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[Above, ...] = (0.229, 0.224, 0.225)


class DeepSettings(Strict):
    """The settings that every method with a network has."""

    image_size: Positive = 128
    backbone: Backbone = Backbone()
    augmentation: Augmentation = Augmentation()
    batch_size: Annotated[int, Ge(2)] = 128
    epochs: Positive = 500
    optimizer: Optimizer = "adam"
    lr: Annotated[float, Gt(0)] = 1e-5
    momentum: Probability = 0.9
    weight_decay: NonNegative = 0.0
    clip: NonNegative | None = None
    evaluate_every: Positive = 1


@dataclass(frozen=True)
class Stage:
    """One phase of training: what is optimised, for how long, on which batches, asking which questions.

    Batches: every epoch passes through its `streams` one after another: "images" are all training images, "pairs" the
    known must-links and cannot-links together, "must" and "cannot" one kind of them. With `fixed` a batch of images
    keeps its members for the whole run; otherwise they are drawn anew every epoch. Of the known pairs, at most
    `max_pairs` of each kind are trained on. `views` names the recipe of each random view of an image (none: the
    images as they are). `schedule` gives the factor on `lr` after so many epochs, in fractions of one.

    Questions: `questions` pairs are asked before the first step, chosen by `questions_by` from part `pool[0]` of
    `pool[1]` random parts of the images, or `within_batches` that are fixed. With a `strategy`, one more question is
    asked in every batch of images at every step while budget is left.

    A `pretraining` stage is run once and shared by every arm and budget that agrees on it.
    """

    name: str
    epochs: int
    lr: float
    batch_size: int
    streams: tuple[Kind, ...] = ("images",)
    fixed: bool = False
    views: tuple[Recipe, ...] = ("standard", "standard")
    max_pairs: int | None = None
    optimizer: Optimizer = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    schedule: Callable[[float], float] | None = None
    weight_decay: float = 0.0
    clip: float | None = None
    questions: int = 0
    questions_by: str = "random"
    pool: tuple[int, int] = (0, 1)
    within_batches: bool = False
    strategy: str | None = None
    extend_from: int | None = None
    frozen_statistics: bool = False
    pretraining: bool = False


@dataclass(frozen=True)
class Pretraining:
    """What a method's pretraining stages need and leave: equal needs are met once.

    `on` is what they need besides images: "task" the number of clusters, "dataset" nothing. `later_settings` are
    those that they do not depend on; arms that differ in nothing else share them, and so do methods that give them
    the same `name`. `version` is raised by hand when the same settings would leave other weights. Of the network,
    `parts` are kept (None: all).
    """

    name: str
    version: int
    on: Literal["dataset", "task"]
    later_settings: frozenset[str]
    parts: tuple[str, ...] | None = None


class Method(ABC):
    """An algorithm: final subclasses only, each named `Method` in a file of its own.

    `supervised` methods use answers; the others are trained once per task and scored in every orientation.
    `version` is raised by hand when the same settings would give other numbers.
    """

    version: ClassVar[int]
    supervised: ClassVar[bool]
    Settings: ClassVar[type[Strict]]
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    pretraining: ClassVar[Pretraining | None] = None

    def __init__(self, settings: Any, clusters: int, budget: int) -> None:
        self.settings, self.clusters, self.budget = settings, clusters, budget

    @classmethod
    def initial_questions(cls, settings: Any) -> int:
        """Questions asked before pretraining; 0 where pretraining is unsupervised."""
        return 0


class FrozenMethod(Method):
    """A method that trains no network: it clusters pixels, or what another arm, its source, has left.

    `reads` is what it takes of its source: "features", or "clusters". A supervised one asks nothing itself; it takes
    over the answers of another arm.
    """

    reads: ClassVar[Literal["features", "clusters"]] = "features"

    @abstractmethod
    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], constraints: Constraints, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """Cluster probabilities [N, K] of every split, fitted on "train" only.

        Args:
            inputs: per split, features [N, D] or one-hot clusters [N, K].
            constraints: what the answers say about the training images.
            seed: of every draw.
        """


class DeepMethod(Method):
    """A method that trains a network batch by batch."""

    settings: DeepSettings

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The phases of training, in order."""

    @abstractmethod
    def build(self, channels: int) -> nn.ModuleDict:
        """A fresh network for images of so many channels."""

    def stage(self, name: str, epochs: int, **others: Any) -> Stage:
        """A stage with the settings that every stage of a method shares."""
        shared = ("optimizer", "lr", "momentum", "weight_decay", "clip", "batch_size")
        common = {field: getattr(self.settings, field) for field in shared}
        return Stage(name=name, epochs=epochs, **{**common, **others})

    @abstractmethod
    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What the losses need.

        Where questions are asked in batches, `z` [R, M], the rows of all views, and `p` [R, K], their probabilities.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Named scalar terms, weighted; their sum is minimised."""

    @abstractmethod
    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Cluster probabilities [B, K] of images as they are [B, C, S, S]."""

    @abstractmethod
    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Features [B, D] of images as they are [B, C, S, S]."""

    def start_stage(self, session: Session) -> None:
        """Called before the first epoch of a stage: centres, prototypes, banks."""

    def start_epoch(self, session: Session) -> None:
        """Called before every epoch: targets computed over the whole set.

        Must depend on nothing but the network and `session.state`, so that a resumed epoch begins alike.
        """

    def prepare(self, batch: Batch, session: Session) -> None:
        """Called before every step: what a batch needs besides its own images, such as views of neighbours."""

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """Called after every update, without gradient: moving averages, queues, banks."""

    def end_epoch(self, session: Session) -> bool:
        """Called after every epoch; True ends the stage early, once the budget is spent. Never decided by labels."""
        return False
