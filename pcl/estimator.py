"""Personalised clustering as scikit-learn would have it: for notebooks and other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.label.groups import Groups
from pcl.label.questions import Questions, order
from pcl.label.waiting import AHEAD, Entry
from pcl.sorting import Sorted, Sorter

ROUND = 10  # answers between fits


class PersonalizedClustering(ClusterMixin, BaseEstimator):
    """Clusters rows, or images, the way that a few "same cluster?" answers point to.

    Source: careful placing (docs/methods/careful.md), with every answer believed.

    Args:
        n_clusters: how many there are; None: as many as answers tell apart.
        budget: answers that an oracle is asked for.
        random_state: of every draw.

    Attributes:
        labels_: the cluster of every row, int [N].
        n_clusters_: clusters that were found.
        answers_: what was answered about pairs i < j: same, different, or not sure (None).
    """

    def __init__(self, n_clusters: int | None = None, budget: int = 100, random_state: int = 0) -> None:
        self.n_clusters, self.budget, self.random_state = n_clusters, budget, random_state

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        must_link: Iterable[tuple[int, int]] = (),
        cannot_link: Iterable[tuple[int, int]] = (),
        oracle: Callable[[int, int], bool | None] | None = None,
    ) -> Self:
        """Cluster features [N, D] or images [N, H, W] or [N, H, W, C].

        Args:
            X: the rows; images are compared by their pixels.
            y: not looked at.
            must_link: pairs of rows known to be in one cluster.
            cannot_link: pairs known to be in different ones.
            oracle: says whether rows i and j are in one cluster; None is not sure. It is asked until the budget is
                spent.

        Raises:
            ValueError: X has no two rows, or is no table of numbers.
            Contradiction: answers contradict each other.
        """
        rows = self._rows(X, reset=True)
        self._sorter = Sorter(rows, self.n_clusters, self.random_state)
        self.answers_: dict[tuple[int, int], bool | None] = {}
        self._known = Constraints(len(rows))
        self._entries: list[Entry] = []
        self._round, self._since, self._learned = 0, 0, False
        for pairs, same in ((must_link, True), (cannot_link, False)):
            for i, j in pairs:
                self._hear(int(i), int(j), same)
        while oracle is not None and self.asked_ < self.budget and (asked := self.next_questions()):
            self._hear(*asked[0], oracle(*asked[0]))
        self._learn()
        return self

    @property
    def asked_(self) -> int:
        """Answers so far, "not sure" aside."""
        return sum(same is not None for same in self.answers_.values())

    def next_questions(self, n: int = 1) -> list[tuple[int, int]]:
        """At most n pairs of rows to ask about, of as many rows, the most telling first; none where all is known."""
        check_is_fitted(self, "answers_")
        found = self._open(n)
        if self._since >= ROUND or len(found) < n:
            self._learn()
            found = self._open(n)
        return found

    def answer(self, i: int, j: int, same: bool | None) -> Self:
        """Hear whether rows i and j are in one cluster; None is not sure.

        Raises:
            Contradiction: earlier answers say the opposite; nothing was kept.
        """
        check_is_fitted(self, "answers_")
        self._hear(int(i), int(j), same)
        return self

    @property
    def labels_(self) -> NDArray[np.int64]:
        """The cluster of every row."""
        check_is_fitted(self, "answers_")
        return self._fresh().labels if isinstance(self._found, Sorted) else self._found.labels_.astype(np.int64)

    @property
    def n_clusters_(self) -> int:
        """Clusters that were found."""
        found = self._fresh()
        return found.placed.count if isinstance(found, Sorted) else len(found.cluster_centers_)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """The cluster of other rows."""
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of every cluster for other rows, [B, n_clusters_]."""
        check_is_fitted(self, "answers_")
        rows, found = self._rows(X, reset=False), self._fresh()
        if isinstance(found, Sorted):
            return self._sorter.others(found, rows)
        return np.eye(len(found.cluster_centers_))[found.predict(self._sorter.reduced(rows))]

    def _rows(self, given: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        images = np.asarray(given)
        flat = images.reshape(len(images), -1) / 255 if images.ndim in (3, 4) else given
        rows: NDArray[np.float32] = validate_data(
            self, flat, reset=reset, dtype=np.float32, ensure_min_samples=1 + reset
        )
        return rows

    def _hear(self, i: int, j: int, same: bool | None) -> None:
        self._known.add(i, j, same)
        pair = min(i, j), max(i, j)
        if self.answers_.get(pair) is None:
            self.answers_[pair] = same
        self._since += 1
        self._learned = False

    def _open(self, n: int) -> list[tuple[int, int]]:
        first = self._entries[0].image if self._entries else None
        groups = Groups(self._sorter.placed(self._known), self._known, self.answers_, first)
        questions = Questions(self._sorter, self._known, groups, self.answers_, self._entries, [], 0)
        return [questions.pair(entry) for entry in self._entries if questions.open(entry)][:n]

    def _fresh(self) -> Sorted | Any:
        if not self._learned:
            self._learn()
        return self._found

    def _learn(self) -> None:
        """Learn from the answers, and choose the rows that wait; without answers there is only k-means."""
        from sklearn.cluster import KMeans

        sorter, placed = self._sorter, self._sorter.placed(self._known)
        found = sorter.sort(placed) if placed.count else None
        unsure = [pair for pair, same in self.answers_.items() if same is None]
        images = sorter.next(found, Known(self._known, len(self.answers_), unsure=unsure), self._round, AHEAD)
        groups = Groups(placed, self._known, self.answers_, None)
        columns = [groups.of[int(members[0])] for members in placed.members()]
        self._entries = [Entry(image=image, order=order(found, columns, image)) for image in images]
        unasked = KMeans(self.n_clusters or 1, n_init=10, random_state=self.random_state)
        self._found = found or unasked.fit(sorter.rows)
        self._round, self._since, self._learned = self._round + 1, 0, True
