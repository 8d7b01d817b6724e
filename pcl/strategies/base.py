"""What a strategy sees and what it gives back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pcl.config import Strict

if TYPE_CHECKING:
    import torch

    from pcl.types import Bool, Float, Int64, Tensor

Choice = tuple[int, int, dict[str, float]]


class StrategySettings(Strict):
    """Settings of the scores.

    `epsilon` is the similarity taken as most uncertain (Eq. 6). `form` chooses between the equations as printed and
    the released code (differences 7, 8 and 9 of the register in docs/methods/pcl.md).
    """

    epsilon: float = 0.2
    form: Literal["paper", "release"] = "paper"


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
    """

    views: Float[Tensor, "V B M"]
    p: Float[Tensor, "B K"]
    must: Bool[Tensor, "B B"]
    cannot: Bool[Tensor, "B B"]
    candidates: Bool[Tensor, "B B"]
    remaining: float
    generator: torch.Generator

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


class Strategy(ABC):
    """Chooses pairs: final subclasses only, each named `Strategy` in a file of its own."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings

    @abstractmethod
    def select(self, view: PairView, count: int) -> list[Choice]:
        """At most `count` pairs to ask about, the best first: rows a and b of the view, and what ranked them."""


class Scoring(Strategy):
    """A strategy that gives every pair a score."""

    @abstractmethod
    def scores(self, view: PairView) -> dict[str, Float[Tensor, "B B"]]:
        """Scores of every pair: "score", of which the largest candidate is asked, and the terms it is made of."""

    def allowed(self, view: PairView) -> Bool[Tensor, "B B"]:
        """The pairs that may be asked: those not known yet."""
        return view.candidates

    def select(self, view: PairView, count: int) -> list[Choice]:
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
