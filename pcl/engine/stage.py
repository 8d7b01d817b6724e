"""The words of training: what the settings of a network are, and what a stage consists of. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from pcl.config import Strict
from pcl.strategies.base import Choice
from pcl.values import Name

VERSION = 2
"""Of the whole engine: raised by hand whenever batches, views, questions or updates would come out otherwise."""

Kind = Literal["images", "pairs", "must", "cannot"]
Recipe = Literal["standard", "weak", "strong"]
Optimizer = Literal["adam", "sgd", "rmsprop"]
Probability = Annotated[float, Interval(ge=0, le=1)]
Share = Annotated[float, Interval(gt=0, le=1)]


Side = Annotated[int, Interval(ge=1, le=4096)]
LEAST = 4  # pixels of a side that a decoder begins from


def doublings(size: int) -> int:
    """How often a decoder doubles a map of 4 to 7 pixels a side to reach an image's, once at least.

    Raises:
        ValueError: it reaches no such size.
    """
    times = (size // LEAST).bit_length() - 1
    if times < 1 or size % 2**times:
        raise ValueError(
            f"{size}, but the decoder doubles up to it: 4, 5, 6 or 7 times 2, 4, 8, …, such as 28, 32 or 48"
        )
    return times


"""Pixels, or channels: what memory grows with."""


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("Input should be the lower end, then the upper one")
    return ends


class Backbone(Strict):
    """The network under every head: a ResNet, or where `frozen` names a representation, one dense layer on that.

    Either gives 8 · `width` features. `depth` and `stem` are a ResNet's alone.
    """

    frozen: Name | None = None
    depth: Literal[10, 18, 34] = 34
    width: Side = 64
    stem: Literal["imagenet", "small"] = "imagenet"

    @model_serializer(mode="wrap")
    def _of_its_kind(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what means nothing here: no number depends on it, and no key may."""
        left_out = ("depth", "stem") if self.frozen else ("frozen",)
        return {name: value for name, value in whole(self).items() if name not in left_out}


class RandomView(Strict):
    """How a random view of an image is drawn."""

    crop_area: Annotated[tuple[Share, Share], AfterValidator(_rising)] = (0.08, 1.0)
    crop_ratio: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)] = (3 / 4, 4 / 3)
    flip: Probability = 0.5
    jitter: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (0.4, 0.4, 0.4, 0.1)
    jitter_probability: Probability = 0.8
    grey_probability: Probability = 0.2


class Augmentation(RandomView):
    """The same, and the normalisation of every image."""

    mean: tuple[float, ...] = Field((0.485, 0.456, 0.406), min_length=1)
    std: tuple[PositiveFloat, ...] = Field((0.229, 0.224, 0.225), min_length=1)


class DeepSettings(Strict):
    """The settings that every method with a network has."""

    image_size: Side = 128
    backbone: Backbone = Backbone()
    augmentation: Augmentation = Augmentation()
    batch_size: int = Field(128, ge=2)
    epochs: PositiveInt = 500
    optimizer: Optimizer = "adam"
    lr: PositiveFloat = 1e-5
    momentum: Probability = 0.9
    weight_decay: NonNegativeFloat = 0.0
    clip: PositiveFloat | None = None
    evaluate_every: PositiveInt = 1

    @model_serializer(mode="wrap")
    def _as_far_as_it_counts(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """On frozen features no image is shown: its size and its views are the representation's."""
        left_out = ("image_size", "augmentation") if self.backbone.frozen else ()
        return {name: value for name, value in whole(self).items() if name not in left_out}


@dataclass(frozen=True)
class Batches:
    """What an epoch passes through.

    Attributes:
        size: images in a batch.
        streams: one after another: "images" are all training images, "pairs" the known must-links and cannot-links
            together, "must" and "cannot" one kind of them.
        fixed: a batch of images keeps its members for the whole run; otherwise they are drawn anew every epoch.
        views: the recipe of each random view of an image; none: the images unaugmented.
        max_pairs: of each kind of known pairs, at most so many are trained on.
    """

    size: int
    streams: tuple[Kind, ...] = ("images",)
    fixed: bool = False
    views: tuple[Recipe, ...] = ("standard", "standard")
    max_pairs: int | None = None


@dataclass(frozen=True)
class Optimiser:
    """How weights are updated; `schedule` gives the factor on `lr` after so many epochs, in fractions of one."""

    name: Optimizer = "adam"
    lr: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip: float | None = None
    schedule: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Questions:
    """Which questions a stage asks.

    Attributes:
        first: pairs asked before the first step.
        by: the strategy that chooses them; None: they are drawn uniformly from the unknown ones.
        pool: they come from part `pool[0]` of `pool[1]` random parts of the training images.
        within_batches: where they are drawn, both images of a pair are in one fixed batch.
        each_batch: the strategy that chooses more pairs in every batch of images at every step while budget is left.
            One that sees more than a batch asks all that is left before the first step.
        per_batch: how many.
        assign: a strategy that holds images against prototypes asks "which of these, or none?", not pair by pair.
    """

    first: int = 0
    by: Choice | None = None
    pool: tuple[int, int] = (0, 1)
    within_batches: bool = False
    each_batch: Choice | None = None
    per_batch: int = 1
    assign: bool = False

    @property
    def asks(self) -> bool:
        """Whether there are any."""
        return self.first > 0 or self.each_batch is not None


@dataclass(frozen=True)
class Stage:
    """One phase of training.

    Attributes:
        name: part of the seed of every draw.
        epochs: at most so many.
        batches: what an epoch passes through.
        optimiser: how weights are updated.
        questions: what is asked.
        extend_from: the epoch from which the surest pairs count as must-links without an answer; None: never.
        frozen_statistics: batch normalisation uses what it has learned before.
        pretraining: run once, and shared by every arm and budget that agrees on it.
    """

    name: str
    epochs: int
    batches: Batches
    optimiser: Optimiser
    questions: Questions = Questions()
    extend_from: int | None = None
    frozen_statistics: bool = False
    pretraining: bool = False


def chunks(order: np.ndarray, size: int, least: int = 2) -> Iterator[np.ndarray]:
    """Consecutive pieces; a last piece of fewer than `least` is left out: batch statistics need two rows."""
    for start in range(0, len(order), size):
        piece = order[start : start + size]
        if len(piece) >= least or len(order) == 1:
            yield piece


def most_questions(stages: Sequence[Stage], images: int) -> tuple[int, int]:
    """How many pairs can be asked about in so many training images, and how many questions the stages ask at most."""
    pairs, asked = images * (images - 1) // 2, 0
    for stage in stages:
        asked += stage.questions.first
        choice = stage.questions.each_batch
        if choice is None:
            continue
        if choice.sees != "batch":
            asked += pairs
            continue
        sizes = [len(piece) for piece in chunks(np.arange(images), stage.batches.size)]
        asked += stage.epochs * len(sizes) * stage.questions.per_batch
        if stage.batches.fixed:
            pairs = sum(size * (size - 1) // 2 for size in sizes)
    return pairs, asked
