"""Which clusters images are in, when some answers may be wrong: the labels that the fewest answers speak against."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pcl.neighbourhoods import Neighbourhoods
from pcl.oracles.log import Answer

UNKNOWN = -1
TRIED = 4  # images that may begin a cluster anew when two have been taken for one


class Beliefs:
    """The likeliest clusters of all images that were asked about, as answers come in.

    Nothing is closed: an answer is a vote, and labels maximise the votes that they agree with, Σ ± [k_i = k_j] over
    asked pairs. With answers that are each right with the same probability, that is the likeliest partition. It is
    searched for by moving one image at a time, and by taking two clusters for one where that frees a label. Where K
    is unknown, there is always a label left, and two clusters are one where that wins votes (correlation clustering).

    Source of the last: Bansal, Blum and Chawla, "Correlation clustering", Machine Learning 2004.

    Attributes:
        clusters: K; None where nobody knows.
        images: those asked about, in the order of their first question.
        label: the cluster of each, from 0 on; `UNKNOWN` where votes are tied.
    """

    def __init__(self, clusters: int | None, answers: Iterable[Answer] = ()) -> None:
        """Hear some answers; "not sure" is none."""
        self.clusters, self._labels = clusters, clusters or 1
        self.images: list[int] = []
        self.label: list[int] = []
        self._place: dict[int, int] = {}
        self._pairs: list[dict[int, int]] = []  # of an image: the others, and whether the answer was "same"
        self._votes: list[list[int]] = []  # of an image for every cluster
        for answer in answers:
            if answer.same is not None and answer.i != answer.j:
                self.hear(answer.i, answer.j, same=answer.same)

    def hear(self, i: int, j: int, *, same: bool) -> None:
        """Take one answer, and label an image that is new."""
        a, b = self.add(i), self.add(j)
        vote = 1 if same else -1
        self._widen()
        for x, y in ((a, b), (b, a)):
            self._pairs[x][y] = vote
            if self.label[y] != UNKNOWN:
                self._votes[x][self.label[y]] += vote
        for x in (a, b):
            self._move(x)

    def add(self, image: int) -> int:
        """The place of an image among those asked about; the first of all opens a cluster."""
        if image not in self._place:
            self._place[image] = len(self.images)
            self.images.append(image)
            self._pairs.append({})
            self._votes.append([0] * self._labels)
            self.label.append(UNKNOWN if len(self.images) > 1 else 0)
        return self._place[image]

    def of(self, image: int) -> int:
        """The cluster of an image; `UNKNOWN` where nobody was asked, or votes are tied."""
        return self.label[self._place[image]] if image in self._place else UNKNOWN

    def asked(self, i: int, j: int) -> bool:
        """Whether there is an answer about two images."""
        return i in self._place and self._place.get(j, -1) in self._pairs[self._place[i]]

    @property
    def used(self) -> list[int]:
        """The clusters that have an image, in the order of their first one."""
        return list(dict.fromkeys(label for label in self.label if label != UNKNOWN))

    def reference(self, cluster: int, image: int | None = None) -> int | None:
        """The member that most answers bear out, of those not yet compared with an image; of equals the earliest."""
        best, most = None, 0
        for x, label in enumerate(self.label):
            if label != cluster or (
                image is not None and (self.images[x] == image or self.asked(image, self.images[x]))
            ):
                continue
            trust = self._trust(x)
            if best is None or trust > most:
                best, most = self.images[x], trust
        return best

    def doubtful(self, need: int) -> tuple[int, int] | None:
        """Two images to compare because two clusters might be one: not yet `need` answers more say "different"."""
        references = {own: self.reference(own) for own in self.used}
        for own, reference in references.items():
            for other in references:
                if own == other or reference is None:
                    continue
                if self._votes[self._place[reference]][other] > -need:
                    against = self.reference(other, reference)
                    if against is not None:
                        return reference, against
        return None

    def settle(self) -> None:
        """Search for labels with more votes: from here, and with any two clusters taken for one."""
        self._ascend()
        better = True
        while better:
            better = any(self._try(own, other) for own in range(self._labels) for other in range(self._labels))

    def neighbourhoods(self) -> Neighbourhoods:
        """The images with a known cluster, numbered as clusters were found."""
        number = {own: n for n, own in enumerate(self.used)}
        known = sorted(
            (image, number[label]) for image, label in zip(self.images, self.label, strict=True) if label >= 0
        )
        rows = np.array(known, dtype=np.int64).reshape(-1, 2)
        return Neighbourhoods(rows[:, 0], rows[:, 1], len(number))

    def _trust(self, x: int) -> int:
        """Answers about an image that agree with the labels, less those that do not."""
        votes = self._votes[x]
        return 2 * votes[self.label[x]] - sum(votes)

    def _value(self) -> int:
        return sum(self._votes[x][label] for x, label in enumerate(self.label) if label != UNKNOWN)

    def _set(self, x: int, label: int) -> None:
        old = self.label[x]
        self.label[x] = label
        for y, vote in self._pairs[x].items():
            if old != UNKNOWN:
                self._votes[y][old] -= vote
            if label != UNKNOWN:
                self._votes[y][label] += vote

    def _move(self, x: int) -> bool:
        """Give an image the cluster that most votes are for; whether it has another one now."""
        votes, own = self._votes[x], self.label[x]
        most = max(votes)
        if own != UNKNOWN and votes[own] == most:
            return False
        best = [label for label, count in enumerate(votes) if count == most]
        if len(best) > 1 and most <= 0:
            used = set(self.label) - {UNKNOWN}
            empty = [label for label in best if label not in used]
            if self.clusters is None and own != UNKNOWN and votes[own] < most:
                self._set(x, UNKNOWN)  # not with its own any more, and with nobody else for sure
                return True
            if own != UNKNOWN or not empty or any(votes[label] >= 0 for label in used):
                return False
            best = empty
        self._set(x, best[0])
        return True

    def _widen(self) -> None:
        """Where K is unknown, see that there is a label that no image has."""
        if self.clusters is None and len(set(self.label) - {UNKNOWN}) == self._labels:
            self._labels += 1
            for votes in self._votes:
                votes.append(0)

    def _ascend(self) -> None:
        for _ in range(20):  # every move gains a vote, so that there is an end; this is far beyond it
            self._widen()
            if sum(self._move(x) for x in range(len(self.images))) == 0:
                return

    def _try(self, own: int, other: int) -> bool:
        """Take one cluster for another, and let the image that this suits least begin it anew, if that is better."""
        if own == other or own not in self.label or (self.clusters is None and other not in self.label):
            return False
        before, value = self._saved(), self._value()
        for x, label in enumerate(self.label):
            if label == own:
                self._set(x, other)
        if self.clusters is None and self._value() > value:
            self._ascend()
            return True
        merged = self._saved()
        suits = [max(v) if label == UNKNOWN else v[label] for v, label in zip(self._votes, self.label, strict=True)]
        for x in np.argsort(suits, kind="stable")[:TRIED].tolist():
            self._set(x, own)
            self._ascend()
            if self._value() > value:
                return True
            self._restore(merged)
        self._restore(before)
        return False

    def _saved(self) -> tuple[list[int], list[list[int]]]:
        return list(self.label), [list(votes) for votes in self._votes]

    def _restore(self, saved: tuple[list[int], list[list[int]]]) -> None:
        self.label, self._votes = list(saved[0]), [list(votes) for votes in saved[1]]
        self._labels = len(self._votes[0]) if self._votes else self._labels


def settled(answers: Iterable[Answer], clusters: int | None) -> Beliefs:
    """What to believe after some answers."""
    beliefs = Beliefs(clusters, answers)
    beliefs.settle()
    return beliefs
