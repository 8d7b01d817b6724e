"""Placing an image: it is asked against one member of every known neighbourhood, likeliest first, until "same"."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pcl.neighbourhoods import distances
from pcl.strategies.base import FeatureView, Pair, Scope, Strategy


class Placed:
    """The neighbourhoods as they grow while a round is asked.

    An image that differs from all of them opens another one; where every cluster has one, the last is implied and not
    asked. "Not sure" skips a neighbourhood; an image that is skipped is left out. Where nobody knows how many
    clusters there are, none is implied, and all are taken to be found as long as every neighbourhood has two images.

    Source: Basu, Banerjee and Mooney, SDM 2004, Section 4; Good, "The population frequencies of species and the
    estimation of population parameters", Biometrika 1953, for how much is left to be found: as many images as are
    alone, out of all.
    """

    def __init__(self, view: FeatureView) -> None:
        """What is known as the round begins."""
        self.view = view
        self.groups = view.neighbourhoods.members()
        self.free = np.ones(len(view.features), dtype=bool)
        self.free[view.neighbourhoods.images] = False
        self.free[[image for pair in view.known.unsure for image in pair]] = False

    @property
    def complete(self) -> bool:
        """Whether every cluster has a neighbourhood, as far as one can tell."""
        return all_found([len(group) for group in self.groups], self.view.clusters)

    @property
    def images(self) -> list[int]:
        """Those that are placed."""
        return [image for group in self.groups for image in group]

    def place(self, image: int, order: Iterable[int]) -> Iterator[Pair]:
        """The questions that place an image, given the neighbourhoods, likeliest first."""
        self.free[image] = False
        skipped = False
        for rank, own in enumerate(order, start=1):
            members = self.groups[own]
            if rank == self.view.clusters and not skipped:
                members.append(image)
                return
            near = np.argsort(self._distances(image, members), kind="stable")
            asked = next((members[at] for at in near if self.view.open(members[at], image)), None)
            if asked is None:
                skipped = True
                continue
            yield asked, image, {"rank": float(rank)}
            same = self.view.known.closed.relation(asked, image)
            if same:
                members.append(image)
                return
            skipped |= same is None
        if not skipped and len(self.groups) != self.view.clusters:
            self.groups.append([image])

    def nearest_first(self, image: int) -> list[int]:
        """The neighbourhoods by the distance of their nearest member."""
        near = [self._distances(image, group).min() for group in self.groups]
        return np.argsort(near, kind="stable").tolist()

    def likeliest_first(self, image: int) -> list[int]:
        """The neighbourhoods by how likely the image is in the cluster of their members."""
        p = self.view.p
        alike = [float(p[image] @ p[group].mean(0)) for group in self.groups]
        return np.argsort(np.negative(alike), kind="stable").tolist()

    def _distances(self, image: int, group: list[int]) -> NDArray[np.float64]:
        features = self.view.features
        return distances(features[[image]], features[group])[0]


def all_found(sizes: list[int], clusters: int | None) -> bool:
    """Whether there is a group for each of K clusters; K unknown, whether no image is alone in its group."""
    return len(sizes) == clusters if clusters is not None else len(sizes) > 1 and min(sizes) > 1


class Placing(Strategy[FeatureView]):
    """A strategy that chooses images, and has them placed."""

    sees: ClassVar[Scope] = "features"

    @abstractmethod
    def images(self, view: FeatureView, placed: Placed, count: int) -> Iterable[int]:
        """At most `count` images that are not placed yet; `placed` grows from one to the next."""

    def order(self, placed: Placed, image: int) -> list[int]:
        """The neighbourhoods that the image is held against, likeliest first."""
        return placed.nearest_first(image)

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """The questions that place the chosen images."""
        placed = Placed(view)
        first = not placed.groups  # an image that opens the first neighbourhood takes no question
        for image in self.images(view, placed, count + first):
            yield from placed.place(int(image), self.order(placed, int(image)))


def farthest(view: FeatureView, placed: Placed, count: int) -> Iterator[int]:
    """Images, each as far as any from all that were placed before it; the first of all is the most central one.

    Source: farthest-first traversal, Gonzalez 1985, as Basu et al., SDM 2004, explore with it.
    """
    features = view.features
    seen = [image for image in range(len(features)) if not placed.free[image]]
    if seen:
        near = distances(features, features[seen]).min(1)
    else:
        near = -distances(features, features.mean(0, keepdims=True))[:, 0]
    for _ in range(count):
        if not placed.free.any():
            return
        image = int(np.where(placed.free, near, -np.inf).argmax())
        yield image
        own = distances(features, features[[image]])[:, 0]
        near = np.minimum(near, own) if seen else own
        seen.append(image)


def groups_of(features: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """k-means groups, int [N]; in minibatches where there are many images or groups."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    state, model = int(rng.integers(2**32)), Any
    if len(features) * count > 2_000_000:
        model = MiniBatchKMeans(count, n_init=1, batch_size=4096, random_state=state)
    else:
        model = KMeans(count, n_init=1, random_state=state)
    return model.fit_predict(features).astype(np.int64)


def most_typical(features: NDArray[np.float32], members: NDArray[np.int64], neighbours: int = 20) -> int:
    """The member with the least mean distance to its nearest neighbours among the members.

    Source: typicality of Hacohen et al., "Active learning on a budget", ICML 2022, Eq. 4.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(members) < 3:
        return int(members[0])
    own = features[members]
    near, _ = NearestNeighbors(n_neighbors=min(neighbours, len(members) - 1)).fit(own).kneighbors()
    return int(members[near.mean(1).argmin()])


@runtime_checkable
class Asked(Protocol):
    """Which images were not asked about yet."""

    free: NDArray[np.bool_]


def typical(view: FeatureView, placed: Asked, count: int, neighbours: int) -> Iterator[int]:
    """The most typical image of each of the largest k-means groups in which none is placed.

    Source: TypiClust, Hacohen et al., ICML 2022, Algorithm 1.
    """
    done = len(view.features) - int(placed.free.sum())
    wanted = min(done + count, len(view.features))
    group = groups_of(view.features, wanted, view.rng("typical"))
    sizes = np.bincount(group, minlength=wanted)
    taken = np.zeros(wanted, dtype=bool)
    taken[group[~placed.free]] = True
    largest = [own for own in np.argsort(-sizes, kind="stable") if not taken[own] and sizes[own]]
    for own in largest[:count]:
        yield most_typical(view.features, np.flatnonzero(group == own), neighbours)


def unsure(view: FeatureView, placed: Asked, count: int, pool: int) -> Iterator[int]:
    """The smallest difference of the two largest probabilities, in each k-means group of the least sure images.

    Source: margin sampling, Scheffer, Decomain and Wrobel, IDA 2001; diversity by clustering the least sure, Zhdanov,
    "Diverse mini-batch active learning", 2019.
    """
    two = np.partition(view.p, -2, axis=1)[:, -2:]
    margin = np.where(placed.free, two[:, 1] - two[:, 0], np.inf)
    least = np.argsort(margin, kind="stable")[: min(pool * count, int(placed.free.sum()))]
    if len(least) <= count:
        yield from least.tolist()
        return
    group = groups_of(view.features[least], count, view.rng("margin"))
    _, first = np.unique(group, return_index=True)  # the least sure of each: they are in order
    yield from least[np.sort(first)].tolist()


def covering(view: FeatureView, placed: Asked, count: int, candidates: int, counted: int) -> Iterator[int]:
    """Images with the largest gain Σ_j max(0, d_j − ‖z_j − z_i‖), d_j the distance of image j to its nearest one.

    Source: the coverage of edahelsinki/codac@bce4e51.

    Args:
        view: what there is to see.
        placed: which images were not asked about yet.
        count: at most so many images.
        candidates: images drawn to choose from.
        counted: images drawn to count the gain over.
    """
    rng, n = view.rng("coverage"), len(view.features)
    free = np.flatnonzero(placed.free)
    offered = np.sort(rng.permutation(free)[:candidates])
    over = np.sort(rng.permutation(n)[:counted])
    others = view.features[over]
    apart = distances(view.features[offered], others)
    seen = np.flatnonzero(~placed.free)
    near = distances(others, view.features[seen]).min(1) if len(seen) else np.full(len(over), apart.max())
    for _ in range(min(count, len(offered))):
        gain = np.maximum(0, near - apart).sum(1)
        gain[~placed.free[offered]] = -1
        best = int(gain.argmax())
        near = np.minimum(near, apart[best])
        yield int(offered[best])
