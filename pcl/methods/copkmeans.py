"""COP-KMeans: k-means on frozen features in which no answer is contradicted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import seed as seeds
from pcl.assignment import Floats, Ints, assign
from pcl.engine.known import Known
from pcl.methods import base


class COPKMeansSettings(base.LearnerSettings):
    """Settings of COP-KMeans: `iterations` bounds one start, `moves` the repair of one assignment."""

    starts: PositiveInt = 20
    iterations: PositiveInt = 300
    moves: PositiveInt = 50


def squares(rows: NDArray[np.floating], centres: Floats) -> Floats:
    """Squared distances of rows to centres [N, K]."""
    from scipy.spatial.distance import cdist

    found: Floats = cdist(rows, centres, "sqeuclidean")
    return found


class Contracted(NamedTuple):
    """C components of training images, each as one weighted point.

    Attributes:
        means: of the members [C, D].
        sizes: numbers of members [C].
        edges: pairs of components that are not in the same cluster [E, 2].
    """

    means: Floats
    sizes: Floats
    edges: Ints

    def costs(self, centres: Floats) -> Floats:
        """Σ over the members of a component ‖x − μ_k‖² [C, K], less what is the same for all centres."""
        return self.sizes[:, None] * squares(self.means, centres)

    def averages(self, labels: Ints, centres: Floats) -> Floats:
        """The mean of the images in every cluster [K, D]; an empty cluster keeps its centre."""
        weights = np.eye(len(centres))[labels] * self.sizes[:, None]
        size = weights.sum(axis=0)[:, None]
        return np.where(size, weights.T @ self.means / np.maximum(size, 1), centres)


class Fit(NamedTuple):
    """Where one start ended; of two, the smaller is the better one."""

    violated: int
    inertia: float
    start: int
    labels: Ints
    centres: Floats


class Method(base.Learner):
    """COP-KMeans, the control "do we need to train?": hard must-links and cannot-links on frozen features.

    There are no answers about test images: each goes to its nearest centre.

    Source: Wagstaff et al., ICML 2001; Behrouz-Babaki/COP-Kmeans@2ca9d36, copkmeans/cop_kmeans.py.
    Differs: clusters are assigned jointly (`pcl.assignment`), so that the order of images brings no dead end.
    """

    version = 1
    Settings = COPKMeansSettings
    settings: COPKMeansSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments from the start with the fewest violated cannot-links, then the least inertia."""
        ids = known.constraints.component_ids()
        points = _contract(inputs["train"], ids, known.constraints.cannot_edges())
        rng = seeds.numpy_generator(seed, "copkmeans")
        starts = self._starts(inputs["train"], seed, rng)
        best = min(self._lloyd(points, centres, start, rng) for start, centres in enumerate(starts))
        labels = {split: squares(rows, best.centres).argmin(axis=1) for split, rows in inputs.items()}
        labels["train"] = best.labels[ids]
        return {split: np.eye(self.clusters, dtype=np.float32)[own] for split, own in labels.items()}

    def _starts(self, rows: NDArray[np.float32], seed: int, rng: np.random.Generator) -> list[Floats]:
        """Initial centres: those of k-means, then draws of k-means++."""
        from sklearn.cluster import KMeans, kmeans_plusplus

        # What the k-means arm finds with this seed: without answers, COP-KMeans is never worse.
        state = seeds.derive(seed, "kmeans") % 2**32
        found = [KMeans(self.clusters, n_init=self.settings.starts, random_state=state).fit(rows).cluster_centers_]
        for draw in rng.integers(2**32, size=self.settings.starts - 1).tolist():
            found.append(kmeans_plusplus(rows, self.clusters, random_state=draw)[0])
        return [centres.astype(np.float64) for centres in found]

    def _lloyd(self, points: Contracted, centres: Floats, start: int, rng: np.random.Generator) -> Fit:
        """Assign and average in turn until no assignment is better than the last."""
        each = np.arange(len(points.means))
        labels, violated = assign(points.costs(centres), points.edges, rng, self.settings.moves)
        for _ in range(1, self.settings.iterations):
            centres = points.averages(labels, centres)
            costs = points.costs(centres)
            found, wrong = assign(costs, points.edges, rng, self.settings.moves)
            if (violated, costs[each, labels].sum()) <= (wrong, costs[each, found].sum()):
                break
            labels, violated = found, wrong
        centres = points.averages(labels, centres)
        return Fit(violated, float(points.costs(centres)[each, labels].sum()), start, labels, centres)


def _contract(rows: NDArray[np.float32], ids: Ints, edges: Ints) -> Contracted:
    """The components ids [N] of the rows [N, D] as weighted points."""
    sizes: Floats = np.bincount(ids).astype(np.float64)
    means = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(means, ids, rows)
    return Contracted(means / sizes[:, None], sizes, edges)
