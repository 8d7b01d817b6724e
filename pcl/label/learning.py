"""What a session has learned from its answers, and which pictures wait to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcl.constraints import Contradiction
from pcl.engine.known import Known
from pcl.label import overview, tuning, waiting
from pcl.label.groups import Groups
from pcl.label.questions import order
from pcl.label.waiting import Entry, Waiting
from pcl.neighbourhoods import Neighbourhoods
from pcl.sorting import Sorted, Sorter

ROUND = 10  # answers between fits
STILL = 0.005  # share of pictures that move in a round, at most, where more answers change little
ROUNDS = 3  # that are looked at for that


@dataclass(frozen=True)
class Told:
    """All that a fit learns from, as it was at one moment.

    Attributes:
        events: how many there were.
        answered: answers among them, "not sure" aside.
        known: the answers.
        placed: the pictures whose group follows from them.
        groups: as they were.
        again: the pictures that were asked about again, in order.
    """

    events: int
    answered: int
    known: Known
    placed: Neighbourhoods
    groups: Groups
    again: list[int]


@dataclass(frozen=True)
class Fit:
    """What a fit has found: groups, the founders that they had, and who is asked about next."""

    told: Told
    found: Sorted | None
    columns: list[int]
    tuned: bool
    entries: list[Entry]


class Learning:
    """The sorter of a session, what it found last, and who waits.

    Only `fit` takes long. It changes nothing that a question follows from, so that answers may come in meanwhile:
    what it finds counts once it is given to `keep`.

    Attributes:
        sorter: of all pictures.
        waiting: the pictures that are asked about next.
        found: what the last fit says; None before there was one.
        tuned: whether that is what the network says which is trained beside.
        stale: that more has changed than a round of answers.
    """

    def __init__(self, place: Path, sorter: Sorter, gone: Collection[int]) -> None:
        """Take up the queue in the folder of a session; nobody is asked about pictures that are gone."""
        self.place, self.sorter, self.gone = place, sorter, gone
        self.waiting = waiting.read(place / "queue.json")
        self.found: Sorted | None = None
        self.tuned = False
        self.stale = True
        self._columns: list[int] = []  # the founders of the groups that `found` tells of
        self._labels: NDArray[np.int64] | None = None
        self._tuning = 0  # when the network beside was last looked at

    def due(self, events: int, waiting: int) -> bool:
        """Whether there is something to learn, given how many events there were and how many pictures wait."""
        tuned = _changed(self.place / tuning.FILE) != self._tuning
        return self.stale or tuned or waiting < ROUND // 2 or events - self.waiting.answered >= ROUND

    def fit(self, told: Told) -> Fit:
        """Learn from answers, and choose who is asked about next."""
        found = self.sorter.sort(told.placed) if told.placed.count else None
        columns = [told.groups.of[int(members[0])] for members in told.placed.members()]
        found, tuned = self._tuned(found, columns, told.groups)
        images = self.sorter.next(found, told.known, self.waiting.round, waiting.AHEAD)
        entries = [
            Entry(image=image, order=order(found, columns, image)) for image in images if image not in self.gone
        ]
        doubted = self._doubted(found, told)
        if doubted is not None:
            entries.insert(ROUND // 2, Entry(image=doubted, again=told.again.count(doubted)))
        return Fit(told, found, columns, tuned, entries)

    def keep(self, fit: Fit, groups: Groups, head: Entry | None) -> None:
        """Show what a fit has found, and ask about whom it chose, after the picture that is being asked about.

        Raises:
            UserError: the queue cannot be written.
        """
        kept = [] if head is None else [head]
        moved = self._moved(fit.found, fit.columns, groups)
        shares = self.waiting.moved + ([] if moved is None else [moved])
        others = [entry for entry in fit.entries if not kept or entry.image != kept[0].image]
        self.waiting = Waiting(
            round=self.waiting.round + 1, answered=fit.told.events, entries=kept + others, moved=shares[-ROUNDS:]
        )
        self.found, self._columns, self.tuned = fit.found, fit.columns, fit.tuned
        waiting.write(self.place / "queue.json", self.waiting)

    def _doubted(self, found: Sorted | None, told: Told) -> int | None:
        """A placed picture to ask about again, if it is time to and the model strongly doubts one."""
        if found is None or told.answered // waiting.BETWEEN <= len(told.again):
            return None
        groups = told.groups
        astray = (image for image in found.astray() if told.again.count(image) < waiting.AGAIN)
        return next((image for image in astray if (groups.core(groups.of[image]) != image).any()), None)

    def _tuned(self, found: Sorted | None, columns: list[int], groups: Groups) -> tuple[Sorted | None, bool]:
        """What the network that is trained beside (`pcl.label.tuning`) says, where it is right more often."""
        self._tuning = _changed(self.place / tuning.FILE)
        left = tuning.read(self.place) if self._tuning else None
        if found is None or found.kept is None or left is None or left.kept <= found.kept:
            return found, False
        p = left.over(columns, groups.of) if len(left.p) == len(found.p) else None
        return (found, False) if p is None else (replace(found, p=p, kept=left.kept), True)

    def _moved(self, found: Sorted | None, columns: list[int], groups: Groups) -> float | None:
        """The share of pictures whose group is another one than at the last fit."""
        if found is None:
            return None
        now, before = np.array(columns)[found.labels], self._labels
        self._labels = now
        if before is None:
            return None
        own = np.array([groups.of.get(founder, -1) for founder in before.tolist()])
        return float((own != np.array([groups.of.get(founder, -1) for founder in now.tolist()])).mean())

    # What is shown of it

    def inferred(self, of: Mapping[int, int]) -> overview.Inferred | None:
        """What the last fit says about pictures that are in no group, given the founder of every placed one.

        None before there was a fit.
        """
        if self.found is None:
            return None
        return overview.Inferred(self.found.p, [of.get(founder) for founder in self._columns])

    def column(self, own: int, of: Mapping[int, int]) -> int:
        """The founder, now, of a group that the last fit has found."""
        return of[self._columns[own]]

    def least_likely(self, error: Contradiction) -> int:
        """The place in a chain of answers of the one that the rest speaks most against."""
        if self.found is None:
            return 0
        around = self.found.around
        alike = [float(around[given.i] @ around[given.j]) for given in error.chain]
        return int(
            np.argmin([value if given.same else 1 - value for value, given in zip(alike, error.chain, strict=True)])
        )

    def in_doubt(self, groups: Groups) -> int:
        """Pictures whose likeliest group is not likely."""
        inferred = self.inferred(groups.of)
        return 0 if inferred is None else inferred.doubtful(groups, self.gone)

    def advice(self, groups: Groups) -> str:
        """Whether further answers are worth giving, in words."""
        shares, found = self.waiting.moved, self.found
        if found is None:
            return ""
        parts = [f"{self.in_doubt(groups):,} pictures are in doubt"]
        if len(shares) == ROUNDS and max(shares) <= STILL:
            parts = [f"{max(shares):.1%} of the pictures moved in the last three rounds: you may stop"]
        if found.kept is not None:
            who = "a network that learns from you" if self.tuned else "this"
            parts.append(f"of the pictures you placed, {who} would have guessed {found.kept:.0%}")
        return "; ".join(parts)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
