"""Finds the groups first, then asks images between them, or far from all asked ones, about their own medoid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from pcl.config import Strict
from pcl.constraints import Constraints
from pcl.neighbourhoods import Neighbourhoods, distances
from pcl.strategies import base, placing
from pcl.strategies.base import FeatureView, Pair
from pcl.strategies.super_instances import how_many, super_instances

COUNTED = 10_000  # images over which the gain of coverage is counted


class CODACSettings(Strict):
    """Settings of CODAC's questions.

    Attributes:
        verify: questions that find the groups.
        per_round: questions between two fits.
        super_instances: of the over-clustering; null: as many as `verify` questions can tell apart.
        uncertainty: weight of lying between two groups; the rest is for lying far from asked images.
        neighbours: by whose mean distance that is measured.
        candidates: images drawn in a round to choose from.
    """

    verify: NonNegativeInt = 100
    per_round: PositiveInt = 100
    super_instances: PositiveInt | None = None
    uncertainty: Annotated[float, Interval(ge=0, le=1)] = 0.6
    neighbours: PositiveInt = 20
    candidates: PositiveInt = 1000


def medoids(features: NDArray[np.float32], groups: Neighbourhoods) -> NDArray[np.int64]:
    """The image of each group with the least sum of distances to the others of it, int [G]."""
    return np.array([own[int(distances(features[own], features[own]).sum(0).argmin())] for own in groups.members()])


def differing(constraints: Constraints, groups: Neighbourhoods) -> NDArray[np.bool_]:
    """Whether every image is known to differ from each group, bool [N, G]."""
    component = constraints.component_ids()
    of_group = {int(component[own[0]]): number for number, own in enumerate(groups.members())}
    apart = np.zeros((component.max() + 1, groups.count), dtype=bool)
    for a, b in constraints.cannot_edges().tolist():
        for own, other in ((a, b), (b, a)):
            if other in of_group:
                apart[own, of_group[other]] = True
    found: NDArray[np.bool_] = apart[component]
    found[groups.images] = np.arange(groups.count) != groups.which[:, None]
    return found


class Strategy(base.Strategy[FeatureView]):
    """Two phases, told apart by what is known alone.

    Verify: medoids of an over-clustering, nearest pairs first, where "same" merges; when all of them are told apart,
    images of the largest coverage gain are placed. Rounds: among images without a group greedily the largest
    u · d₁/d₂ + (1 − u) · (distance to the nearest asked image / mean distance to its neighbours, scaled to [0, 1]),
    d₁ and d₂ the distances to the two nearest medoids; one question each, against the nearest.

    Source: edahelsinki/codac@bce4e51 (2026).
    Differs: d₁/d₂ is the second largest cluster probability over the largest, which is the same under CODAC's own
    learner, and lets others say what is near; K bounds the groups; a round chooses among a sample.
    """

    version = 1
    sees = "features"
    Settings = CODACSettings
    settings: CODACSettings

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """The next questions of the phase; a round is as long as the settings say."""
        if view.known.spent < self.settings.verify:
            before = len(view.known.answers)
            for pair in self._verify(view):
                if view.known.spent >= self.settings.verify:
                    return
                yield pair
            if len(view.known.answers) > before:
                return
        yield from self._round(view)

    def _verify(self, view: FeatureView) -> Iterator[Pair]:
        """Pairs of medoids; once none is left, what places images."""
        questions = min(self.settings.verify, view.known.budget)
        wanted = how_many(self.settings.super_instances, questions, view.clusters)
        medoid = super_instances(view.features, wanted, view.seed).medoid
        apart = distances(view.features[medoid], view.features[medoid])
        a, b = np.triu_indices(len(medoid), 1)
        order = np.argsort(apart[a, b], kind="stable")
        asked = False
        for i, j in zip(a[order].tolist(), b[order].tolist(), strict=True):
            if view.open(int(medoid[i]), int(medoid[j])):
                asked = True
                yield int(medoid[i]), int(medoid[j]), {"distance": float(apart[i, j])}
        if not asked:
            placed = placing.Placed(view)
            for image in placing.covering(view, placed, questions, self.settings.candidates, COUNTED):
                yield from placed.place(image, placed.nearest_first(image))

    def _round(self, view: FeatureView) -> Iterator[Pair]:
        """Images one after another, each with its nearest medoid that may be its own."""
        groups = view.neighbourhoods
        if not groups.count:
            return
        medoid, known = medoids(view.features, groups), view.known
        free = np.ones(len(view.features), dtype=bool)
        free[groups.images] = False
        free[[image for pair in known.unsure for image in pair]] = False
        chosen = view.rng("candidates").permutation(np.flatnonzero(free))[: self.settings.candidates]
        if not len(chosen):
            return
        images = np.sort(chosen)
        p = view.p[images][:, : groups.count]
        likely = np.where(differing(known.closed, groups)[images], -1, p).argmax(1)
        asked = np.unique([image for answer in known.answers for image in (answer.i, answer.j)])
        for at in self._greedy(view, images, asked, between(p)):
            yield int(medoid[likely[at]]), int(images[at]), {"between": float(between(p[[at]])[0])}

    def _greedy(
        self, view: FeatureView, images: NDArray[np.int64], asked: NDArray[np.int64], uncertain: NDArray[np.float64]
    ) -> Iterator[int]:
        """Places in `images`, the best first, each chosen knowing those before it."""
        from sklearn.neighbors import NearestNeighbors

        s, features = self.settings, view.features
        own = features[images]
        count = min(s.neighbours + 1, len(features))
        spread = NearestNeighbors(n_neighbors=count).fit(features).kneighbors(own)[0][:, 1:].mean(1)
        near = distances(own, features[asked]).min(1)
        left = np.ones(len(images), dtype=bool)
        for _ in range(min(s.per_round, len(images))):
            far = near / np.maximum(spread, 1e-12)
            low, high = far[left].min(), far[left].max()
            far = (far - low) / max(high - low, 1e-12)
            best = int(np.where(left, s.uncertainty * uncertain + (1 - s.uncertainty) * far, -1).argmax())
            left[best] = False
            near = np.minimum(near, distances(own, own[[best]])[:, 0])
            yield best


def between(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far images lie between two groups, in [0, 1]: the second largest probability over the largest [N]."""
    if p.shape[1] < 2:
        return np.zeros(len(p))
    second, first = np.sort(p, axis=1)[:, -2:].T.astype(np.float64)
    return second / np.maximum(first, 1e-12)
