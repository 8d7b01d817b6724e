"""What placed images say about all others, along a graph of nearest neighbours; nothing is N × N."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pcl.neighbourhoods import Neighbourhoods

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SCALE = 7  # the neighbour whose distance is an image's own scale
EXACT = 100_000
"""Images up to which all distances are looked at; beyond, most of the nearest neighbours are found by descent."""


@dataclass(frozen=True)
class Graph:
    """The k nearest neighbours of every training image, weighted, symmetric and normalised.

    Attributes:
        weights: D^-1/2 W D^-1/2, sparse [N, N], with w_ij = exp(−d² / σ_i σ_j), the larger of both directions.
        scale: σ, the distance to the seventh neighbour, or the last if there are fewer [N].
        neighbours: finds the nearest training images of any rows.
    """

    weights: csr_matrix
    scale: NDArray[np.float64]
    neighbours: Any


class Descent:
    """Nearest neighbours by descent along the graph itself, with the two calls of scikit-learn's that are used here.

    Source: Dong, Charikar and Li, "Efficient k-nearest neighbor graph construction for generic similarity measures",
    WWW 2011; pynndescent.
    """

    def __init__(self, k: int) -> None:
        """The number of neighbours."""
        self.k = k

    def fit(self, features: NDArray[np.float32]) -> Self:
        """Index the rows [N, D]."""
        from pynndescent import NNDescent

        near = max(self.k + 1, 15)  # with fewer, descent finds its way less well
        self._index = NNDescent(features, n_neighbors=near, random_state=0, n_jobs=1, low_memory=True)
        return self

    def kneighbors(self, rows: NDArray[np.float32] | None = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances and positions [B, k] of the nearest indexed rows; for the indexed rows, of all but themselves."""
        if rows is not None:
            index, away = self._index.query(rows, k=self.k)
            return away, index.astype(np.int64)
        index, away = self._index.neighbor_graph
        other = index != np.arange(len(index))[:, None]
        first = np.argsort(~other, axis=1, kind="stable")[:, : self.k]
        return np.take_along_axis(away, first, 1), np.take_along_axis(index, first, 1).astype(np.int64)


def graph(features: NDArray[np.float32], neighbours: int) -> Graph:
    """The graph of so many nearest neighbours.

    Source: Zelnik-Manor and Perona, "Self-tuning spectral clustering", NeurIPS 2004, for the weights.
    """
    from scipy.sparse import csr_matrix, diags
    from sklearn.neighbors import NearestNeighbors

    n = len(features)
    k = min(neighbours, n - 1)
    found: Any = NearestNeighbors(n_neighbors=k, algorithm="brute") if n <= EXACT else Descent(k)
    away, index = found.fit(features).kneighbors()
    scale = np.maximum(away[:, min(SCALE, k) - 1], 1e-12).astype(np.float64)
    weight = np.exp(-(away**2) / (scale[:, None] * scale[index]))
    w = csr_matrix((weight.ravel(), (np.repeat(np.arange(n), k), index.ravel())), shape=(n, n))
    w = w.maximum(w.T)
    root = diags(1 / np.sqrt(np.maximum(np.asarray(w.sum(1)).ravel(), 1e-12)))
    return Graph((root @ w @ root).tocsr(), scale, found)


def spread(
    graph: Graph, images: NDArray[np.int64], which: NDArray[np.int64], clusters: int, alpha: float, *, balanced: bool
) -> NDArray[np.float64]:
    """Cluster probabilities of every training image [N, K], F = (1 − α) Σ_t αᵗ Sᵗ Y with rows scaled to sum 1.

    Source: Zhou et al., "Learning with local and global consistency", NeurIPS 2004.

    Args:
        graph: of all training images.
        images: that are placed [M].
        which: the cluster of each [M].
        clusters: K.
        alpha: how far a label reaches, in (0, 1).
        balanced: every cluster sends out as much, however many of its images are placed.
    """
    start = np.zeros((len(graph.scale), clusters))
    start[images, which] = 1
    if balanced:
        start /= np.maximum(start.sum(0), 1)
    found = start.copy()
    # What is left after so many steps is below a thousandth of what came before.
    for _ in range(int(np.ceil(np.log(1e-3) / np.log(alpha)))):
        found = alpha * (graph.weights @ found) + (1 - alpha) * start
    return scaled(found)


def extend(graph: Graph, rows: NDArray[np.float32], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cluster probabilities of other images [B, K]: the weighted mean of their nearest training images'."""
    away, index = graph.neighbours.kneighbors(rows)
    own = np.maximum(away[:, [min(SCALE, away.shape[1]) - 1]], 1e-12)
    weight = np.exp(-(away**2) / (own * graph.scale[index]))
    return scaled(np.einsum("bk,bkc->bc", weight, known[index]))


def scaled(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1; where nothing has arrived, all clusters are as likely."""
    total = found.sum(1, keepdims=True)
    return np.where(total > 0, found / np.where(total > 0, total, 1), 1 / found.shape[1])


class Spreader:
    """Spreads labels again and again over the same images: their graph, which is most of the work, is made once."""

    def __init__(self, neighbours: int, alpha: float, *, balanced: bool) -> None:
        """How, as for `graph` and `spread`."""
        self.neighbours, self.alpha, self.balanced = neighbours, alpha, balanced
        self._made: tuple[NDArray[np.float32], Graph] | None = None

    def __call__(
        self, inputs: dict[str, NDArray[np.float32]], placed: Neighbourhoods, clusters: int
    ) -> dict[str, NDArray[np.float32]]:
        """Cluster probabilities of every split from placed training images."""
        known, rows = self._graph(inputs["train"]), placed.images
        p = spread(known, rows, placed.which, clusters, self.alpha, balanced=self.balanced)
        others = {split: extend(known, own, p) for split, own in inputs.items() if split != "train"}
        return {split: own.astype(np.float32) for split, own in ({"train": p} | others).items()}

    def _graph(self, rows: NDArray[np.float32]) -> Graph:
        if self._made is None or self._made[0] is not rows:
            self._made = rows, graph(rows, self.neighbours)
        return self._made[1]
