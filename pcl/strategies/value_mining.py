"""Asks about images that are hard, representative and unlike those asked before: IDC's value mining."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt

from pcl.config import Strict
from pcl.oracles.log import Assigned
from pcl.strategies import base, placing
from pcl.strategies.base import FeatureView, Pair, Sample

TINY = 1e-6  # where logarithms end: rounding takes a difference of cosines past 1


class MiningSettings(Strict):
    """Settings: the weights of hardness, representativeness and diversity, each 0 to leave it out.

    `prototypes` is T, the clusters that an image is held against; `neighbours` those of representativeness, the image
    itself among them.
    """

    hardness: NonNegativeFloat = 1.0
    representativeness: NonNegativeFloat = 1.0
    diversity: NonNegativeFloat = 1.0
    prototypes: PositiveInt = 5
    neighbours: PositiveInt = 20


class Clusters(NamedTuple):
    """The clusters that there are: each image's own, and for each cluster its prototype and its cosines [N, K']."""

    own: NDArray[np.int64]
    prototypes: NDArray[np.int64]
    cosines: NDArray[np.float64]


class Strategy(base.Mining):
    """Images by value = representativeness + hardness + diversity, each held against its nearest prototypes.

    Clusters are those of the network that asks, or those of k-means on its features where it has none yet. As pairs,
    an image is asked against one prototype after the other until somebody says "same".

    Source: Liu et al., "Interactive Deep Clustering via Value Mining", NeurIPS 2024 (IDC), Algorithm 1.
    Differs: a prototype is not asked about, an empty cluster has none, and logarithms end at 10⁻⁶.
    """

    version = 1
    Settings = MiningSettings
    settings: MiningSettings

    def clusters(self, view: FeatureView) -> NDArray[np.int64]:
        """The cluster of every image, int [N]."""
        p = view.p
        own = p.argmax(1).astype(np.int64)
        if np.isfinite(p).all() and len(np.unique(own)) > 1:
            return own
        assert view.clusters is not None, "a network is told how many clusters there are"
        return placing.groups_of(view.features, view.clusters, view.rng("value mining"))

    def samples(self, view: FeatureView, count: int) -> Iterator[Sample]:
        """At most `count` images with their nearest prototypes, likeliest first."""
        s, h = self.settings, unit(view.features)
        found = prototypes(h, self.clusters(view))
        value = s.hardness * hardness(found.cosines)
        if s.representativeness:
            value = value + s.representativeness * representativeness(h, s.neighbours)
        out = np.union1d(found.prototypes, [a.i for a in view.known.answers if isinstance(a, Assigned)]).astype(int)
        value[out] = -np.inf
        order = np.argsort(-found.cosines, axis=1, kind="stable")[:, : s.prototypes]
        for image in greedily(h, value, s.diversity, min(count, len(h) - len(out))):
            yield image, found.prototypes[order[image]].tolist(), {"value": float(value[image])}

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """The same as pairs, each image against its prototypes until one is known to be with it."""
        for image, others, terms in self.samples(view, len(view.features)):
            for rank, other in enumerate(others, start=1):
                if view.open(image, other):
                    yield image, other, terms | {"rank": float(rank)}
                if view.known.closed.relation(image, other):
                    break


def unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows of length one; zeros stay."""
    rows = rows.astype(np.float64)
    return rows / np.maximum(np.sqrt((rows * rows).sum(1, keepdims=True)), 1e-12)


def prototypes(h: NDArray[np.float64], own: NDArray[np.int64]) -> Clusters:
    """The cosines of unit rows h [N, D] to the mean of every cluster that has an image, and its nearest image."""
    _, dense = np.unique(own, return_inverse=True)
    sums = np.zeros((int(dense.max()) + 1, h.shape[1]))
    np.add.at(sums, dense, h)
    cosines = h @ unit(sums).T
    inside = dense[:, None] == np.arange(len(sums))
    return Clusters(own, np.where(inside, cosines, -np.inf).argmax(0), cosines)


def hardness(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(1 − (s₁ − s₂)), the two largest cosines of each row; 0 where there is one cluster."""
    if cosines.shape[1] < 2:
        return np.zeros(len(cosines))
    two = np.partition(cosines, -2, axis=1)[:, -2:]
    return np.log(np.maximum(1 - (two[:, 1] - two[:, 0]), TINY))


def representativeness(h: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """log(1/mean of the squared distances to the nearest rows, the row itself among them)."""
    from sklearn.neighbors import NearestNeighbors

    most = min(neighbours, len(h))
    near, _ = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(h).kneighbors(h)
    return -np.log(np.maximum((near * near).mean(1), TINY))


def greedily(h: NDArray[np.float64], value: NDArray[np.float64], weight: float, count: int) -> Iterator[int]:
    """Rows of the largest value + weight · min over chosen rows s of log(1 − h·h_s), one after the other."""
    least = np.zeros(len(h))
    value = value.copy()
    for number in range(count):
        image = int((value + weight * least).argmax())
        yield image
        value[image] = -np.inf
        apart = np.log(np.maximum(1 - h @ h[image], TINY))
        least = apart if number == 0 else np.minimum(least, apart)
