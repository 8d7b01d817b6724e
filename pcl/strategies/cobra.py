"""Asks which super-instances belong together, nearest pair of clusters first (COBRA)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import PositiveInt

from pcl.config import Strict
from pcl.neighbourhoods import distances
from pcl.strategies import base
from pcl.strategies.base import FeatureView, Pair
from pcl.strategies.super_instances import how_many, super_instances


class COBRASettings(Strict):
    """Settings of COBRA: the number of super-instances; null: Q/K + (K + 1)/2 of them for Q questions."""

    super_instances: PositiveInt | None = None


class Strategy(base.Strategy[FeatureView]):
    """Medoids of super-instances; always the nearest two whose clusters may be one or may not.

    "Same" merges the two clusters; what follows from the answers is not asked. Where nobody knows the number of
    clusters, a second round makes as many super-instances as the number found so far allows.

    Source: van Craenendonck, Dumancic and Blockeel, "COBRA: a fast and simple method for active clustering with
    pairwise constraints", IJCAI 2017; the number of super-instances from edahelsinki/codac@bce4e51.
    """

    version = 1
    sees = "features"
    Settings = COBRASettings
    settings: COBRASettings

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """Pairs of medoids until the clusters of all of them are known; a round is as long as it takes."""
        clusters = view.clusters or view.neighbourhoods.count or None
        wanted = how_many(self.settings.super_instances, view.known.budget, clusters)
        medoid = super_instances(view.features, wanted, view.seed).medoid
        apart = distances(view.features[medoid], view.features[medoid])
        a, b = np.triu_indices(len(medoid), 1)
        order = np.argsort(apart[a, b], kind="stable")
        # A pair of clusters is as near as its nearest medoids, so the pairs of medoids come in one order for all.
        for i, j in zip(medoid[a[order]].tolist(), medoid[b[order]].tolist(), strict=True):
            if view.open(i, j):
                yield i, j, {"distance": float(np.linalg.norm(view.features[i] - view.features[j]))}
