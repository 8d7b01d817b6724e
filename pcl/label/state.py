"""A session as it stands: what the log says, the groups that come of it, the question, and what was learned.

The log is the truth. Everything else follows from it, but for the queue of pictures that wait (`pcl.label.waiting`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.label import events, overview
from pcl.label.about import read
from pcl.label.events import Event, Kind
from pcl.label.groups import Groups
from pcl.label.learning import Learning, Told
from pcl.label.overview import Group
from pcl.label.questions import Question, Questions
from pcl.sorting import Sorter


class State:
    """A session, to be looked at; `pcl.label.session.Session` is what a person does with it.

    Attributes:
        place: the folder of the session.
        log: its file.
        about: what the session is about.
        events: all that happened, in order.
        standing: those events that were not taken back.
        said: the answers that count: same, different, or not sure (None).
        known: what follows from them.
        groups: that they make.
        learning: what was learned from them.
    """

    def __init__(self, place: Path, features: NDArray[np.float32], gone: Iterable[int] = (), seed: int = 0) -> None:
        """Open the session of a folder, which `create` has made.

        Args:
            place: the folder of the session.
            features: of all pictures [N, D].
            gone: pictures that are no longer there, which nobody is asked about.
            seed: of all draws.

        Raises:
            UserError: a file of the session is missing or damaged, or is about more pictures than there are.
        """
        self.place, self.log = place, place / "log.jsonl"
        self.about = read(place)
        self.gone = frozenset(gone)
        self.lock = threading.RLock()
        self.events = events.read(self.log)
        self.sorter = Sorter(features, self.about.clusters, seed)
        self.learning = Learning(place, self.sorter, self.gone)
        self._fold()

    def _fold(self) -> None:
        """Draw all consequences of the log anew."""
        n = len(self.sorter.rows)
        self.standing = events.standing(self.events)
        self.said = events.answers(self.standing)
        if any(max(pair) >= n for pair in self.said):
            raise UserError(f"{self.log}: answers about more than the {n} pictures that there are; another folder?")
        self.known = Constraints.fold(n, ((*pair, same) for pair, same in self.said.items()))
        self._group()

    def _group(self) -> None:
        first = next((entry.image for entry in self.learning.waiting.entries), None)
        self.groups = Groups(self.sorter.placed(self.known), self.known, self.said, first)

    def _write(self, kind: Kind, **others: Any) -> None:
        """Keep an event; raises UserError, and keeps nothing, where it cannot be written."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = Event(number=len(self.events) + 1, at=at, kind=kind, **others)
        events.append(self.log, event)
        self.events.append(event)

    @property
    def answered(self) -> int:
        """Answers that were given, "not sure" aside."""
        return sum(any(same is not None for *_, same in event.pairs) for event in self.standing)

    @property
    def left(self) -> int | None:
        """Answers that the budget still has; None: no end."""
        return None if self.about.budget is None else max(self.about.budget - self.answered, 0)

    @property
    def asked_again(self) -> list[int]:
        """The pictures that were asked about again, in order."""
        return [event.image for event in self.standing if event.kind == "again" and event.image is not None]

    def question(self) -> Question | None:
        """What to ask now; None where all is known, or the budget is spent."""
        with self.lock:
            return None if self.left == 0 else self._questions().first(self.about.mode)

    def _questions(self) -> Questions:
        open_ = [entry for entry in self.learning.waiting.entries if entry.image not in self.gone]
        return Questions(self.sorter, self.known, self.groups, self.said, open_, self.asked_again, len(self.events))

    @property
    def due(self) -> bool:
        """Whether there is something to learn: a round of answers, a change of groups, or nobody waits."""
        with self.lock:
            questions = self._questions()
            waiting = sum(questions.open(entry) for entry in self.learning.waiting.entries)
            return self.learning.due(len(self.events), waiting)

    def fit(self) -> None:
        """Learn from the answers, and choose who is asked about next; answers may come in meanwhile.

        Raises:
            UserError: the queue cannot be written.
        """
        with self.lock:
            told, self.learning.stale = self._told(), False
        fit = self.learning.fit(told)
        with self.lock:
            self.learning.keep(fit, self.groups, self._questions().head())
            if not told.groups.founders:
                self._group()

    def _told(self) -> Told:
        unsure = [pair for pair, same in self.said.items() if same is None]
        known = Known(self.known, budget=len(self.said), unsure=unsure)
        placed = self.sorter.placed(self.known)
        return Told(len(self.events), self.answered, known, placed, self.groups, self.asked_again)

    def shown(self) -> list[Group]:
        """The groups, the most doubtful first."""
        with self.lock:
            return overview.of(self.groups, self.names(), self.learning.inferred(self.groups.of), self.gone)

    def names(self) -> dict[int, str]:
        """What the person calls groups, by founder; those without a name are not in it."""
        named = [event for event in self.standing if event.kind == "rename"]
        return {self.groups.of[event.image]: event.name or "" for event in named if event.image in self.groups.of}
