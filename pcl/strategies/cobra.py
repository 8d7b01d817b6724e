"""Asks which super-instances belong together, nearest pair of clusters first (COBRA)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import seed as seeds
from pcl.config import Strict
from pcl.neighbourhoods import distances
from pcl.strategies import base
from pcl.strategies.base import FeatureView, Pair


class COBRASettings(Strict):
    """Settings of COBRA: the number of super-instances; null: Q/K + (K + 1)/2 of them for Q questions."""

    super_instances: PositiveInt | None = None


class SuperInstances(NamedTuple):
    """Groups of images that are taken to be of one cluster: the group of every image [N], the medoid of each [S]."""

    group: NDArray[np.int64]
    medoid: NDArray[np.int64]


def super_instances(features: NDArray[np.float32], count: int, seed: int) -> SuperInstances:
    """k-means groups, and the image nearest to the centre of each."""
    from sklearn.cluster import KMeans

    state = seeds.derive(seed, "cobra") % 2**32
    model = KMeans(min(count, len(features)), n_init=1, random_state=state).fit(features)
    group = model.labels_.astype(np.int64)
    away = np.linalg.norm(features - model.cluster_centers_[group], axis=1)
    order = np.lexsort((away, group))
    _, first = np.unique(group[order], return_index=True)
    return SuperInstances(group, order[first])


def how_many(settings: COBRASettings, budget: int, clusters: int) -> int:
    """S, the number of super-instances that so many questions can tell apart."""
    return settings.super_instances or max(clusters, int(budget / clusters + (clusters + 1) / 2))


class Strategy(base.Strategy[FeatureView]):
    """Medoids of super-instances; always the nearest two whose clusters may be one or may not.

    "Same" merges the two clusters; what follows from the answers is not asked.

    Source: van Craenendonck, Dumancic and Blockeel, "COBRA: a fast and simple method for active clustering with
    pairwise constraints", IJCAI 2017; the number of super-instances from edahelsinki/codac@bce4e51.
    """

    version = 1
    sees = "features"
    Settings = COBRASettings
    settings: COBRASettings

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """Pairs of medoids until the clusters of all of them are known; a round is as long as it takes."""
        wanted = how_many(self.settings, view.known.budget, view.clusters)
        medoid = super_instances(view.features, wanted, view.seed).medoid
        apart = distances(view.features[medoid], view.features[medoid])
        a, b = np.triu_indices(len(medoid), 1)
        order = np.argsort(apart[a, b], kind="stable")
        # A pair of clusters is as near as its nearest medoids, so the pairs of medoids come in one order for all.
        for i, j in zip(medoid[a[order]].tolist(), medoid[b[order]].tolist(), strict=True):
            if view.open(i, j):
                yield i, j, {"distance": float(np.linalg.norm(view.features[i] - view.features[j]))}
