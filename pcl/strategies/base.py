"""What a strategy is: its settings, what it sees, and the pairs that it gives back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from pcl import neighbourhoods, registry
from pcl import seed as seeds
from pcl.config import Strict, validate
from pcl.errors import UserError
from pcl.neighbourhoods import Neighbourhoods

if TYPE_CHECKING:
    import torch

    from pcl.engine.known import Known
    from pcl.types import Bool, Float, Int64, Tensor

Pair = tuple[int, int, dict[str, float]]
Sample = tuple[int, list[int], dict[str, float]]
"""An image, the prototypes that it is held against, likeliest first, and what ranked it."""
Form = Literal["paper", "release"]


class Choice(Strict):
    """A strategy by its name, with everything that its choices depend on.

    In params.yaml it is a name, or a mapping of `name` and the strategy's settings.
    """

    name: str
    version: int
    settings: dict[str, Any]

    @classmethod
    def of(cls, name: str, **settings: Any) -> Choice:
        """A strategy with some settings, its defaults for the others.

        Raises:
            UserError: there is no such strategy, or a setting is unknown or wrong.
        """
        strategy = _strategy(name)
        resolved = validate(strategy.Settings, settings, f"strategy {name}")
        return cls(name=name, version=strategy.version, settings=resolved.model_dump(mode="json"))

    @property
    def sees(self) -> Scope:
        """What the strategy looks at."""
        return _strategy(self.name).sees

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The strategy's settings."""
        return _strategy(self.name).Settings.model_fields

    def make(self) -> Strategy:
        """The strategy itself."""
        strategy = _strategy(self.name)
        return strategy(strategy.Settings(**self.settings))


def choose(value: Any) -> Any:
    """The `Choice` that a name or a mapping in params.yaml stands for; raises ValueError where there is none."""
    words = {"name": value} if isinstance(value, str) else value
    if not isinstance(words, Mapping) or not isinstance(words.get("name"), str):
        return value
    try:
        return Choice.of(**words)
    except UserError as error:
        raise ValueError(str(error)) from error


Chosen = Annotated[Choice, BeforeValidator(choose)]
"""The type of a setting that names a strategy."""

Scope = Literal["batch", "pool", "features", "network"]


class ScoreSettings(Strict):
    """Settings of PCL's scores: the equations as printed, or the released code's (docs/methods/pcl.md, 7 to 9)."""

    form: Form = Field("paper", description="scores of the query strategy")


class UncertaintySettings(ScoreSettings):
    """Settings of the scores with S_up; `epsilon` is the similarity taken as most uncertain (Eq. 6)."""

    epsilon: float = 0.2


@dataclass(frozen=True)
class PairView:
    """What is known about the pairs of some images: those of a batch, or of a pool.

    Attributes:
        views: unit rows in feature space, one set for each random view.
        p: cluster probabilities of the first view.
        must: known must-links.
        cannot: known cannot-links.
        candidates: pairs i < j that are not known yet; the only ones that can be asked.
        remaining: questions left over the budget, r in [0, 1].
        generator: source of every draw.
        before: the same views as they were when these images were last seen, for a strategy that `remembers`; zeros
            for an image that was not, None where none was.
    """

    views: Float[Tensor, "V B M"]
    p: Float[Tensor, "B K"]
    must: Bool[Tensor, "B B"]
    cannot: Bool[Tensor, "B B"]
    candidates: Bool[Tensor, "B B"]
    remaining: float
    generator: torch.Generator
    before: Float[Tensor, "V B M"] | None = None

    @cached_property
    def places(self) -> Int64[Tensor, " P"]:
        """Where the candidates stand in a flattened matrix."""
        return self.candidates.flatten().nonzero()[:, 0]

    @cached_property
    def sign(self) -> Float[Tensor, "B B"]:
        """1 for a must-link, −1 for a cannot-link, 0 for a pair not known."""
        import torch

        return (self.must.view(torch.int8) - self.cannot.view(torch.int8)).to(self.views.dtype)

    @cached_property
    def similarity(self) -> Float[Tensor, "B B"]:
        """Cosine in feature space, averaged over the views."""
        return (self.views @ self.views.mT).mean(0)

    @cached_property
    def first(self) -> Float[Tensor, "B B"]:
        """Cosine within the first view only."""
        return self.views[0] @ self.views[0].T

    @cached_property
    def cross(self) -> Float[Tensor, "B B"]:
        """Cosine of image i in the first view with image j in the last."""
        return self.views[0] @ self.views[-1].T


@dataclass(frozen=True)
class FeatureView:
    """All training images at once, in a round of questions. Nothing here is N × N, and nothing made of it should be.

    Attributes:
        features: a representation of every training image.
        clusters: K; None where nobody knows.
        known: every answer so far. It grows while a round is asked.
        seed: of every draw, a child of the run's seed.
        round: the number of the round, from 0.
        learn: what the answers so far teach about every training image: cluster probabilities [N, K].
    """

    features: NDArray[np.float32]
    clusters: int | None
    known: Known
    seed: int
    round: int
    learn: Callable[[], NDArray[np.float32]]

    @cached_property
    def p(self) -> NDArray[np.float32]:
        """Cluster probabilities [N, K] as this round begins, learned when a strategy first looks at them."""
        return self.learn()

    @cached_property
    def neighbourhoods(self) -> Neighbourhoods:
        """The images whose cluster is known as this round begins."""
        return neighbourhoods.of(self.known.closed, self.clusters)

    def open(self, i: int, j: int) -> bool:
        """Whether images i and j make a question: two images about which nothing is known and nobody was unsure."""
        pair = min(i, j), max(i, j)
        return i != j and self.known.open(*pair) and self.known.closed.relation(*pair) is None

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """The source of draws for one purpose in this round."""
        return seeds.numpy_generator(self.seed, *purpose, self.round)


View = TypeVar("View", PairView, FeatureView)


class Strategy(ABC, Generic[View]):
    """Chooses pairs: final subclasses only, each named `Strategy` in a file of its own.

    `version` is raised by hand when the same settings would choose other pairs. `sees` is what the strategy looks at:

    - "batch": a `PairView` of the images of a batch, one pair a step; or of a pool, where a stage asks first.
    - "pool": a `PairView` of a pool of images, before a stage's first step.
    - "features": a `FeatureView` of a representation of all training images, before a stage's first step; a method
      without a network can use no other.
    - "network": the same of what the network that asks gives: its features, and its clusters as `p`.

    The last three are asked in rounds: `select` is called again, with what the answers have taught, until the
    questions are spent or it finds none. It may be a generator: a pair is answered before the next one is drawn.

    One of pairs that `remembers` is also shown how its images were when it last saw them.
    """

    version: ClassVar[int]
    sees: ClassVar[Scope] = "batch"
    remembers: ClassVar[bool] = False
    Settings: ClassVar[type[Strict]] = Strict

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def select(self, view: View, count: int) -> Iterable[Pair]:
        """Pairs to ask about, the best first: rows a and b of the view, and what ranked them.

        Args:
            view: what there is to see.
            count: at most so many pairs; for a strategy that places images, so many images.
        """


class Mining(Strategy[FeatureView]):
    """A strategy that holds images against prototypes of the clusters: as one question each, or as pairs."""

    sees: ClassVar[Scope] = "network"

    @abstractmethod
    def clusters(self, view: FeatureView) -> NDArray[np.int64]:
        """The cluster of every training image, int [N]."""

    @abstractmethod
    def samples(self, view: FeatureView, count: int) -> Iterable[Sample]:
        """At most `count` images to ask about, the best first."""


class Scoring(Strategy[PairView]):
    """A strategy that gives every pair a score."""

    @abstractmethod
    def scores(self, view: PairView) -> dict[str, Float[Tensor, "B B"]]:
        """Scores of every pair: "score", of which the largest candidate is asked, and the terms it is made of."""

    def allowed(self, view: PairView) -> Bool[Tensor, "B B"]:
        """The pairs that may be asked: those not known yet."""
        return view.candidates

    def select(self, view: PairView, count: int) -> list[Pair]:
        """The pairs of the highest scores, each with its score and the terms of it."""
        allowed, scores = self.allowed(view), self.scores(view)
        ranked = scores["score"].masked_fill(~allowed, -math.inf).flatten()
        best = ranked.topk(min(count, len(ranked))).indices.tolist() if count > 1 else [int(ranked.argmax())]
        pairs = [divmod(place, len(allowed)) for place in best]
        return [
            (a, b, {name: float(values[a, b]) for name, values in scores.items()}) for a, b in pairs if allowed[a, b]
        ]


def uniform_scores(view: PairView) -> Float[Tensor, "B B"]:
    """A uniform draw for every pair."""
    draws = view.p.new_empty(view.candidates.shape, device=view.generator.device)
    return draws.uniform_(generator=view.generator).to(view.p.device)


def settings_of(strategies: Iterable[str] | None = None) -> set[str]:
    """The names of all settings that some strategies have; of all strategies unless some are given."""
    names = registry.names("pcl.strategies", "Strategy") if strategies is None else strategies
    return {field for name in names for field in _strategy(name).Settings.model_fields}


def _strategy(name: str) -> type[Strategy]:
    strategy: type[Strategy] = registry.get("pcl.strategies", "Strategy", name)
    return strategy
