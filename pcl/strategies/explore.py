"""Explores until every cluster is found, then places random images (farthest-first query selection)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class Strategy(placing.Placing):
    """Farthest-first until every cluster has a neighbourhood, then images at random, nearest neighbourhood first.

    Source: Basu, Banerjee and Mooney, "Active semi-supervision for pairwise constrained clustering", SDM 2004.
    """

    version = 1

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """Explore, then consolidate."""
        far = placing.farthest(view, placed, count)
        chosen = 0
        while chosen < count and not placed.complete:
            image = next(far, None)
            if image is None:
                return
            yield image
            chosen += 1
        free = np.flatnonzero(placed.free)
        yield from view.rng("explore").permutation(free)[: count - chosen].tolist()
