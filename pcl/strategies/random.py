"""Asks about a pair drawn uniformly from the unknown pairs of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Scoring):
    """Random pairs, the baseline of Table 5 and Fig. 4.

    Source: Geng et al., AAAI-25, Section 4.2.
    Differs: the released baseline also draws pairs that are known already; see `random_released`.
    """

    version = 1

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """Uniform random scores."""
        return {"score": base.uniform_scores(view)}
