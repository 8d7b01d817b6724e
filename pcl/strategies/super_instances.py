"""Super-instances: small groups of images that are taken to be of one cluster, each with its medoid."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcl import seed as seeds


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


def how_many(given: int | None, budget: int, clusters: int | None) -> int:
    """S, the number of super-instances: as given, or as many as so many questions can tell apart.

    Where nobody knows the number of clusters, as many as they can tell apart if there were √(2 · budget), at
    which they tell the fewest apart.
    """
    clusters = clusters or max(2, round(math.sqrt(2 * budget)))
    return given or max(clusters, int(budget / clusters + (clusters + 1) / 2))
