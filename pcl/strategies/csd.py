"""Asks about pairs that are similar, and whose similarity has changed since the epoch before: OCC's own strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Scoring):
    """Cyclic similarity discrepancy: S_ij = s_c |s_c − s_{c−1}|, s the mean cosine of the views, c counts epochs.

    Images that were not seen before have no s_{c−1}: their pairs come last, in an order drawn by lot, so that the
    first epoch asks at random. Dissimilar pairs are hardly ever asked: with s_c < 0 the score is negative.

    Source: Wang et al., "Oracle-guided Contrastive Clustering" (OCC), Eq. 6.
    """

    version = 1
    remembers = True

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """S, with the similarity and its change."""
        import torch

        s, drawn = view.similarity, base.uniform_scores(view).to(view.similarity.dtype)
        if view.before is None:
            return {"score": drawn - 3, "similarity": s, "change": torch.zeros_like(s)}
        change = (s - (view.before @ view.before.mT).mean(0)).abs()
        seen = (view.before != 0).any(2).all(0)
        seen = seen[:, None] & seen[None]
        # S lies between −2 and 1.
        return {"score": torch.where(seen, s * change, drawn - 3), "similarity": s, "change": change * seen}
