"""The groups of a session as they are shown: what answers say, and what was inferred from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcl.label.groups import Groups

DOUBTFUL = 0.6  # probability of the likeliest group, below which a picture is in doubt


@dataclass(frozen=True)
class Group:
    """A group as it is shown.

    Attributes:
        id: its founder.
        name: what the person calls it; empty: nothing yet.
        answered: the pictures that are in it by answers.
        inferred: the others that are likeliest in it and how likely, the most doubtful first.
    """

    id: int
    name: str
    answered: list[int]
    inferred: list[tuple[int, float]]

    @property
    def doubt(self) -> float:
        """The mean doubt of its pictures."""
        size = len(self.answered) + len(self.inferred)
        return sum(1 - sure for _, sure in self.inferred) / size if size else 0.0


@dataclass(frozen=True)
class Inferred:
    """What was learned about pictures that are in no group by answers.

    Attributes:
        p: probability of every group that was found, for every picture [N, G].
        owners: the founder, now, of each of these groups; None where it is no more.
    """

    p: NDArray[np.float64]
    owners: list[int | None]

    def doubtful(self, groups: Groups, gone: Collection[int]) -> int:
        """Pictures whose likeliest group is not likely."""
        return int((self.p.max(1)[self._open(groups, gone)] < DOUBTFUL).sum())

    def of(self, groups: Groups, gone: Collection[int]) -> dict[int, list[tuple[int, float]]]:
        """Founder -> pictures that are likeliest in that group and how likely, the most doubtful first."""
        found: dict[int, list[tuple[int, float]]] = {founder: [] for founder in groups.founders}
        best, sure = self.p.argmax(1), self.p.max(1)
        images = np.flatnonzero(self._open(groups, gone))
        for image in images[np.argsort(sure[images], kind="stable")].tolist():
            owner = self.owners[best[image]]
            if owner is not None:
                found[owner].append((image, float(sure[image])))
        return found

    def _open(self, groups: Groups, gone: Collection[int]) -> NDArray[np.bool_]:
        open_ = np.ones(len(self.p), dtype=bool)
        open_[[*groups.of, *gone]] = False
        return open_


def of(groups: Groups, names: Mapping[int, str], inferred: Inferred | None, gone: Collection[int]) -> list[Group]:
    """The groups, the most doubtful first."""
    likely = {founder: [] for founder in groups.founders} if inferred is None else inferred.of(groups, gone)
    found = [Group(own, names.get(own, ""), groups.members(own).tolist(), likely[own]) for own in groups.founders]
    return sorted(found, key=lambda group: -group.doubt)
