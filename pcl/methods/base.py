"""What a method is: settings, stages, and the few things the training loop asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray

from pcl.config import Strict

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

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
    lr: Annotated[float, Gt(0)] = 1e-5
    weight_decay: NonNegative = 0.0
    clip: NonNegative | None = None
    evaluate_every: Positive = 1


@dataclass(frozen=True)
class Stage:
    """One phase of training: what is optimised, for how long, on which batches, asking which questions.

    `batches`: "fixed" batches keep their members for the whole run, "shuffled" ones are drawn anew every epoch,
    "pairs" are shuffled batches followed by batches of must-links and of cannot-links.
    `views` random views of each image are made (0: the images as they are). `questions` random pairs are asked before
    the first step; with a `strategy`, one more question is asked in every batch at every step while budget is left.
    Of the pairs that answers imply, at most `max_pairs` of each kind are trained on in "pairs".
    A `pretraining` stage is run once and shared by every arm and budget that agrees on it.
    """

    name: str
    epochs: int
    lr: float
    batches: Literal["fixed", "shuffled", "pairs"]
    batch_size: int
    views: int = 2
    weight_decay: float = 0.0
    clip: float | None = None
    questions: int = 0
    within_batches: bool = True
    max_pairs: int | None = None
    strategy: str | None = None
    extend_from: int | None = None
    frozen_statistics: bool = False
    pretraining: bool = False


class Method(ABC):
    """An algorithm: final subclasses only, each named `Method` in a file of its own.

    `supervised` methods ask questions; the others are trained once per task and scored in every orientation.
    `version` is raised by hand when the same settings would give other numbers. `later_settings` are those that a
    pretraining stage does not depend on: pretrained weights are shared between arms that differ in nothing else.
    `pretrains_on` says what pretraining needs: "task" (the number of clusters), or only "dataset"; of the network,
    `pretrained_parts` are kept (None: all).
    """

    version: ClassVar[int]
    supervised: ClassVar[bool]
    Settings: ClassVar[type[Strict]]
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    pretrains_on: ClassVar[Literal["dataset", "task"] | None] = None
    pretrained_parts: ClassVar[tuple[str, ...] | None] = None
    later_settings: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: Any, clusters: int, budget: int) -> None:
        self.settings, self.clusters, self.budget = settings, clusters, budget

    @classmethod
    def initial_questions(cls, settings: Any) -> int:
        """Questions asked before pretraining; 0 where pretraining is unsupervised."""
        return 0


class FrozenMethod(Method):
    """A method that clusters features it does not change: pixels, or those of another arm."""

    @abstractmethod
    def cluster(self, features: dict[str, NDArray[np.float32]], seed: int) -> dict[str, NDArray[np.float32]]:
        """Cluster probabilities [N, K] of every split, fitted on "train" only, from features [N, D]."""


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
        s = self.settings
        shared = {"lr": s.lr, "weight_decay": s.weight_decay, "clip": s.clip, "batch_size": s.batch_size}
        return Stage(name=name, epochs=epochs, **{**shared, **others})

    @abstractmethod
    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What the losses need: at least `z` [R, M], the rows of all views, and whatever `loss` reads."""

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
        """Called before the first epoch of a stage: centres, prototypes."""

    def start_epoch(self, session: Session) -> None:
        """Called before every epoch: targets computed over the whole set. Must depend on the network only."""

    def finished(self, session: Session) -> bool:
        """Whether the stage may end before its last epoch; never decided by true labels."""
        return False
