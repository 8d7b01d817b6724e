"""Pictures in groups, from a few answers: what a page, a terminal and a program share.

Nothing here knows who answers. Images are placed (`pcl.neighbourhoods`), their labels spread (`pcl.propagation`), and
the next images chosen as our own method does (docs/methods/careful.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import margins, neighbourhoods, propagation
from pcl import seed as seeds
from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.methods.careful import CarefulSettings
from pcl.neighbourhoods import Neighbourhoods
from pcl.strategies import careful, placing
from pcl.strategies.base import FeatureView

COMPONENTS = 128  # of the features; more make neighbours no better and everything slower
ASTRAY = 0.1  # what its neighbours give the group of a placed image, at most, where its answer is strongly doubted
FOLDS = 5  # in which placed images are held out
CLEARLY = 0.2  # how likely a lead may be by chance


@dataclass(frozen=True)
class Sorted:
    """What some answers teach about every image.

    Attributes:
        placed: the images whose group follows from answers.
        p: probability of every group for every image, float [N, G].
        around: the same as an image's nearest neighbours alone would have it, float [N, G].
        machine: the classifier that says so; None where labels were spread.
        kept: of the placed images, the share that comes out right when they are held out; None where they are few.
            These are images that were hard to tell, so for all images it is rather more.
    """

    placed: Neighbourhoods
    p: NDArray[np.float64]
    around: NDArray[np.float64]
    machine: Any = None
    kept: float | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """The likeliest group of every image [N]; that of a placed one is known."""
        found = self.p.argmax(1)
        found[self.placed.images] = self.placed.which
        return found

    def astray(self) -> list[int]:
        """Placed images whose neighbours say otherwise, the most doubtful first."""
        own = self.around[self.placed.images, self.placed.which]
        least = np.argsort(own, kind="stable")
        return self.placed.images[least[own[least] <= ASTRAY]].tolist()


class Sorter:
    """Groups images by features, and says which image to ask about next.

    Source: careful placing (docs/methods/careful.md), but every answer is believed: whoever answers is told at once
    of a contradiction, and settles it.
    """

    def __init__(self, features: NDArray[np.floating], clusters: int | None = None, seed: int = 0) -> None:
        """Look at features [N, D]; K is not known where `clusters` is None.

        Raises:
            UserError: there are fewer than two images, a feature is no number, or fewer images than clusters.
        """
        rows = np.asarray(features, np.float32)
        if rows.ndim != 2 or len(rows) < 2:
            raise UserError(f"features: shape {rows.shape}; a row for each of two images or more is needed")
        if not np.isfinite(rows).all():
            raise UserError("features: some are no numbers; leave out the images that they belong to")
        self.axes = _axes(rows)
        self.rows, self.seed = self.reduced(rows), seed
        self.recount(clusters)
        self._graph: propagation.Graph | None = None

    @classmethod
    def restored(
        cls, rows: NDArray[np.float32], axes: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    ) -> Sorter:
        """A sorter of rows that were reduced along some axes before."""
        sorter = cls(rows)
        sorter.axes, sorter.rows = axes, rows
        return sorter

    def reduced(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rows as they are compared: their leading principal components, where they have many columns."""
        found: NDArray[np.float32] = np.asarray(rows, np.float32)
        return found if self.axes is None else np.asarray((found - self.axes[0]) @ self.axes[1].T, np.float32)

    def recount(self, clusters: int | None) -> None:
        """Take another number of clusters; raises UserError where there cannot be so many."""
        if clusters is not None and not 1 <= clusters <= len(self.rows):
            raise UserError(
                f"clusters: {clusters}, but there are {len(self.rows)} images; use 1 to {len(self.rows)}, or none"
            )
        self.clusters = clusters

    def placed(self, known: Constraints) -> Neighbourhoods:
        """The images whose group follows from answers; without K, every set that differs from the others is one."""
        return neighbourhoods.of(known, len(self.rows) if self.clusters is None else self.clusters)

    @property
    def graph(self) -> propagation.Graph:
        """The nearest neighbours of all images, found when first needed."""
        if self._graph is None:
            self._graph = propagation.graph(self.rows, CarefulSettings().neighbours)
        return self._graph

    def sort(self, placed: Neighbourhoods) -> Sorted:
        """What placed images say about all others.

        Labels are spread along the graph unless a support vector machine is right about clearly more of the placed
        images, each held out in turn: so it is with features in which most of what differs is not what was asked for.
        """
        images, which = placed.images, placed.which
        right = self._held_out(placed)
        machine = margins.fitted(self.rows[images], which) if _clearly_more(right) else None
        if machine is None:
            p = self._spread(images, which, placed.count)
        else:
            p = margins.probabilities(machine, self.rows, placed.count).astype(np.float64)
        kept = None if right is None else float(right[int(machine is not None)].mean())
        return Sorted(placed, p, propagation.scaled(self.graph.weights @ p), machine, kept)

    def others(self, found: Sorted, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of every group for images not looked at before, given their features: float [B, G]."""
        rows = self.reduced(features)
        if found.machine is None:
            return propagation.extend(self.graph, rows, found.p)
        return margins.probabilities(found.machine, rows, found.placed.count).astype(np.float64)

    def _spread(self, images: NDArray[np.int64], which: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        return propagation.spread(self.graph, images, which, count, CarefulSettings().alpha, balanced=False)

    def _machine(self, images: NDArray[np.int64], which: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        machine = margins.fitted(self.rows[images], which)
        return margins.probabilities(machine, self.rows, count).astype(np.float64)

    def _held_out(self, placed: Neighbourhoods) -> NDArray[np.bool_] | None:
        """Which placed images spreading, and the machine, are right about when they are held out, bool [2, M].

        Images that are alone in their group are not among them. None where the others are few.
        """
        images, which = placed.images, placed.which
        size = np.bincount(which, minlength=placed.count)
        if (size > 1).sum() < 2 or size[size > 1].sum() < 2 * FOLDS:
            return None
        right, fold = np.zeros((2, len(images)), dtype=bool), _dealt(which, self.seed)
        for kept, out in ((fold != own, fold == own) for own in range(FOLDS)):
            for own, learn in enumerate((self._spread, self._machine)):
                p = learn(images[kept], which[kept], placed.count)
                right[own, out] = p[images[out]].argmax(1) == which[out]
        return right[:, size[which] > 1]

    def next(self, found: Sorted | None, known: Known, number: int, count: int) -> Iterator[int]:
        """Images to place next, the most telling first.

        Args:
            found: what was learned last; None before there is a group.
            known: the answers.
            number: of the round: draws differ from one to the next.
            count: at most so many.
        """
        settings, free = careful.CarefulSettings(), np.ones(len(self.rows), dtype=bool)
        groups = 0 if found is None else found.placed.count
        free[[image for pair in known.unsure for image in pair]] = False
        if found is not None:
            free[found.placed.images] = False
        if not free.any():
            return
        p = np.zeros((len(self.rows), 2)) if found is None or groups < 2 else found.p
        view = FeatureView(self.rows, max(groups, 1), known, self.seed, number, lambda: p.astype(np.float32))
        missing = self.clusters is not None and groups < self.clusters
        if missing or groups < 2 or (~free).sum() < settings.typical * groups:
            yield from placing.typical(view, _Asked(free), count, settings.neighbours)
        else:
            yield from placing.unsure(view, _Asked(free), count, settings.pool)

    def nearest(self, image: int, others: NDArray[np.int64], count: int) -> list[int]:
        """Of other images, those nearest to one, the nearest first."""
        away = ((self.rows[others] - self.rows[image]) ** 2).sum(1)
        return others[np.argsort(away, kind="stable")[:count]].tolist()


@dataclass
class _Asked:
    free: NDArray[np.bool_]


def _dealt(which: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fold for each placed image, such that no group of two or more lies in one."""
    fold, draws = np.empty(len(which), np.int64), seeds.numpy_generator(seed, "held out")
    fold[np.lexsort((draws.random(len(which)), which))] = np.arange(len(which)) % FOLDS
    return fold


def _clearly_more(right: NDArray[np.bool_] | None) -> bool:
    """Whether the second row is right where the first is not more often than chance would have it (a sign test)."""
    from scipy.stats import binomtest

    if right is None:
        return False
    only, other = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    return only > other and float(binomtest(only, only + other, alternative="greater").pvalue) < CLEARLY


def _axes(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Mean [D] and leading principal axes [C, D] of rows with many columns; None where there are few."""
    if min(rows.shape) <= COMPONENTS:
        return None
    from sklearn.decomposition import PCA

    # Exact components take seconds where there are thousands of columns, and a person waits.
    fitted = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(rows)
    return fitted.mean_.astype(np.float32), fitted.components_.astype(np.float32)
