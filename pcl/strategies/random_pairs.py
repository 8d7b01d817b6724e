"""Asks about pairs drawn uniformly from all pairs of training images."""

from __future__ import annotations

from collections.abc import Iterator

from pcl.strategies import base
from pcl.strategies.base import FeatureView, Pair

TRIES = 100  # draws for each pair that is wanted, after which there is taken to be no other


class Strategy(base.Strategy[FeatureView]):
    """Random pairs of a whole data set: what constrained clustering is mostly evaluated with.

    Source: SpherePair, NeurIPS 2025 (arXiv 2510.06907), Section 5; `random` does the same within a batch.
    """

    version = 1
    sees = "features"

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """Pairs about which nothing is known."""
        rng, chosen = view.rng("random_pairs"), 0
        for _ in range(TRIES * count):
            i, j = (int(x) for x in rng.choice(len(view.features), 2, replace=False))
            if chosen == count:
                return
            if view.open(i, j):
                chosen += 1
                yield i, j, {}
