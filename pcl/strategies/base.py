"""What a strategy sees and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pcl.config import Strict

if TYPE_CHECKING:
    import torch

    from pcl.types import Bool, Float, Tensor


class StrategySettings(Strict):
    """Settings of the scores.

    `epsilon` is the similarity taken as most uncertain (Eq. 6). `form` chooses between the equations as printed and
    the released code (differences 7, 8 and 9 of the register in docs/methods/pcl.md).
    """

    epsilon: float = 0.2
    form: Literal["paper", "release"] = "paper"


@dataclass(frozen=True)
class PairView:
    """What is known about the pairs of one batch.

    Attributes:
        similarity: cosine in feature space, averaged over the views.
        first: cosine within the first view only.
        cross: cosine of image i in the first view with image j in the second.
        must: known must-links.
        cannot: known cannot-links.
        candidates: pairs i < j that are not known yet; the only ones that can be asked.
        remaining: questions left over the budget, r in [0, 1].
        generator: source of every draw.
    """

    similarity: Float[Tensor, "B B"]
    first: Float[Tensor, "B B"]
    cross: Float[Tensor, "B B"]
    must: Bool[Tensor, "B B"]
    cannot: Bool[Tensor, "B B"]
    candidates: Bool[Tensor, "B B"]
    remaining: float
    generator: torch.Generator


class Strategy(ABC):
    """Ranks pairs: final subclasses only, each named `Strategy` in a file of its own."""

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings

    @abstractmethod
    def scores(self, view: PairView) -> dict[str, Float[Tensor, "B B"]]:
        """Scores of every pair: "score", of which the largest candidate is asked, and the terms it is made of."""

    def allowed(self, view: PairView) -> Bool[Tensor, "B B"]:
        """The pairs that may be asked: those not known yet."""
        return view.candidates


def uniform_scores(view: PairView) -> Float[Tensor, "B B"]:
    """A uniform draw for every pair."""
    draws = view.similarity.new_empty(view.similarity.shape, device=view.generator.device)
    return draws.uniform_(generator=view.generator).to(view.similarity.device)
