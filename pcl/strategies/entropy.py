"""Asks about the image that is least sure of its cluster, and another of middling similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor

TINY = 1e-8


class Strategy(base.Strategy[base.PairView]):
    """The image of the largest entropy of p, with the image whose similarity to it is the median of those left.

    Source: Wang et al., "Oracle-guided Contrastive Clustering" (OCC), Fig. 3, which pairs the instance of maximum
    entropy with a "medium similar one".
    """

    version = 1

    def select(self, view: base.PairView, count: int) -> list[base.Pair]:
        """Pairs by the entropy of their first image, each image once as the first."""
        left, entropy = view.candidates | view.candidates.T, entropies(view.p)
        pairs: list[base.Pair] = []
        for a in entropy.argsort(descending=True, stable=True).tolist():
            others = left[a].nonzero()[:, 0]
            if len(pairs) < count and len(others):
                ranked = others[view.similarity[a, others].argsort(stable=True)]
                b = int(ranked[(len(ranked) - 1) // 2])
                left[a, b] = left[b, a] = False
                pairs.append((a, b, {"entropy": float(entropy[a]), "similarity": float(view.similarity[a, b])}))
        return pairs


def entropies(p: Float[Tensor, "B K"]) -> Float[Tensor, " B"]:
    """−Σ_k p_k log p_k of every image."""
    return -(p * p.clamp_min(TINY).log()).sum(1)
