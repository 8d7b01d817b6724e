"""Images known to be together, known to differ from other such sets: what placing an image looks at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcl.constraints import Constraints


@dataclass(frozen=True)
class Neighbourhoods:
    """G sets of images, of which any two are known to differ.

    Attributes:
        images: that are in one of them, ascending, int [M].
        which: the neighbourhood of each of these, int [M], in 0 to G − 1, the largest first.
        count: G, at most the number of clusters.
    """

    images: NDArray[np.int64]
    which: NDArray[np.int64]
    count: int

    def members(self) -> list[list[int]]:
        """The images of every neighbourhood, ascending."""
        return [self.images[self.which == own].tolist() for own in range(self.count)]


def of(constraints: Constraints, clusters: int | None) -> Neighbourhoods:
    """The neighbourhoods that answers tell about, at most as many as there are clusters.

    Components of images are taken by their size, each that cannot be joined with any taken before. Where all clusters
    have one, a component that differs from all but one of them belongs to the last: nobody needs to be asked.

    Source: Basu, Banerjee and Mooney, SDM 2004, Section 4.

    Args:
        constraints: what the answers say.
        clusters: K; None: nobody knows, so there may be any number and none is implied.
    """
    component = constraints.component_ids()
    edges = constraints.cannot_edges()
    foes: dict[int, set[int]] = defaultdict(set)
    for a, b in edges.tolist():
        foes[a].add(b)
        foes[b].add(a)
    size = np.bincount(component)
    touched = np.union1d(np.flatnonzero(size > 1), edges)
    taken: dict[int, int] = {}
    for own in touched[np.argsort(-size[touched], kind="stable")].tolist():
        if (clusters is None or len(taken) < clusters) and taken.keys() <= foes[own]:
            taken[own] = len(taken)
    which = np.full(len(size), -1)
    for own in touched.tolist():
        if own in taken:
            which[own] = taken[own]
        elif len(taken) == clusters and len(left := taken.keys() - foes[own]) == 1:
            which[own] = taken[left.pop()]
    images = np.flatnonzero(which[component] >= 0)
    return Neighbourhoods(images, which[component[images]], len(taken))


def distances(rows: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distances of rows [A, D] to others [B, D], as [A, B]."""
    from scipy.spatial.distance import cdist

    found: NDArray[np.float64] = cdist(rows, others)
    return found
