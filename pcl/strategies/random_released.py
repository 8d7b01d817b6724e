"""The released code's random baseline, which spends questions on pairs already known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Bool, Float, Tensor


class Strategy(base.Scoring):
    """Uniform draws from what is *not* an unknown pair i < j: the diagonal, the lower triangle, known pairs.

    A draw from the lower triangle can still be an unknown pair in the other order; the rest is paid for in vain.
    Here to measure what the slip is worth, never as a baseline to compare with.

    Source: hhdxwen/PCL@943dfcc, train.py (difference 10 of the register in docs/methods/pcl.md).
    """

    version = 1

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """Uniform random scores."""
        return {"score": base.uniform_scores(view)}

    def allowed(self, view: base.PairView) -> Bool[Tensor, "B B"]:
        """Everything else."""
        return ~view.candidates
