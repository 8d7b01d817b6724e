"""Asks about pairs drawn uniformly from all pairs of training images."""

from __future__ import annotations

from collections.abc import Iterator

from pcl.strategies import base
from pcl.strategies.base import FeatureView, Pair

MISSES = 1000  # draws in a row of pairs that are known, after which there is taken to be no other


class Strategy(base.Strategy[FeatureView]):
    """Random pairs of a whole data set: what constrained clustering is mostly evaluated with.

    Source: SpherePair, NeurIPS 2025 (arXiv 2510.06907), Section 5; `random` does the same within a batch.
    """

    version = 1
    sees = "features"

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """Pairs about which nothing is known."""
        rng, misses = view.rng("random_pairs"), 0
        while count and misses < MISSES:
            i, j = rng.integers(len(view.features), size=2).tolist()
            misses += 1
            if view.open(i, j):
                count, misses = count - 1, 0
                yield i, j, {"draw": 1.0}
