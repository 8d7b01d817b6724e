"""A session: a person's pictures, what "same" means to them, their answers, and the groups that come of these.

The log is the truth. Everything else follows from it, but for the queue of pictures that wait (`pcl.label.waiting`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl.constraints import Constraints, Contradiction
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.label import events, overview, tuning, waiting
from pcl.label.about import checked, read, write
from pcl.label.events import Event, Kind
from pcl.label.groups import Change, Groups, merged, moved
from pcl.label.overview import Group
from pcl.label.questions import Question, Questions, order
from pcl.label.waiting import Entry, Waiting
from pcl.sorting import Sorted, Sorter

ROUND = 10  # answers between fits
STILL = 0.005  # share of pictures that move in a round, at most, where more answers change little
ROUNDS = 3  # that are looked at for that


class Stale(Exception):
    """The question that was answered is not the one that stands."""


class Session:
    """One session. Every public method may be called from any thread; none but `fit` takes long."""

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
        self.waiting = waiting.read(place / "queue.json")
        self.found: Sorted | None = None
        self._columns: list[int] = []  # the founders of the groups that `found` tells of
        self._labels: NDArray[np.int64] | None = None
        self._stale = True
        self._tuning = 0  # when the network beside was last looked at
        self.tuned = False
        self.sorter = Sorter(features, self.about.clusters, seed)
        self._fold()

    # What follows from the log

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
        first = next((entry.image for entry in self.waiting.entries), None)
        self.groups = Groups(self.sorter.placed(self.known), self.known, self.said, first)

    @property
    def answered(self) -> int:
        """Answers that were given, "not sure" aside."""
        return sum(any(same is not None for *_, same in event.pairs) for event in self.standing)

    @property
    def left(self) -> int | None:
        """Answers that the budget still has; None: no end."""
        return None if self.about.budget is None else max(self.about.budget - self.answered, 0)

    def question(self) -> Question | None:
        """What to ask now; None where all is known, or the budget is spent."""
        with self.lock:
            return None if self.left == 0 else self._questions().first(self.about.mode)

    def _questions(self) -> Questions:
        again = [event.image for event in self.standing if event.kind == "again" and event.image is not None]
        open_ = [entry for entry in self.waiting.entries if entry.image not in self.gone]
        return Questions(self.sorter, self.known, self.groups, self.said, open_, again, len(self.events))

    # What a person does

    def answer(
        self,
        question: str,
        reply: str,
        *,
        group: int | None = None,
        chosen: Iterable[int] = (),
        seconds: float | None = None,
    ) -> None:
        """Hear an answer to the question that stands.

        Args:
            question: its id.
            reply: "same", "different", "unsure", "none" (a group of its own), "choose" (another group), or "tap".
            group: the founder of the group that is chosen.
            chosen: the candidates that belong to the group, for "tap".
            seconds: since the question was shown.

        Raises:
            Stale: another question stands.
            Contradiction: the answer contradicts earlier ones; nothing was kept.
            UserError: there is no such reply here, or it cannot be written.
        """
        with self.lock:
            asked = self.question()
            if asked is None or asked.id != question:
                raise Stale
            if reply == "none" and self.about.clusters == len(self.groups.founders):
                raise UserError(
                    f"there are {self.about.clusters} groups already, as many as you said; raise that number first"
                )
            pairs = asked.pairs(reply, group, list(chosen), self._questions())
            self._add(asked.kind, Change(pairs, []), image=asked.image, seconds=seconds)

    def settle(self, pair: tuple[int, int], same: bool, keep: str, drop: Iterable[tuple[int, int]] = ()) -> None:
        """Settle an answer that contradicts earlier ones.

        Args:
            pair: that the answer is about.
            same: what it says.
            keep: "new", "old" or "unsure".
            drop: the earlier answers that no longer count where the new one is kept.

        Raises:
            Contradiction: yet other answers say the opposite; nothing was kept.
            UserError: no such choice, or no such answer.
        """
        with self.lock:
            withdraws = []
            if keep == "new":
                withdraws = [(min(each), max(each)) for each in drop]
                if not withdraws or not set(withdraws) <= set(self.said):
                    raise UserError(f"drop: {drop} are no earlier answers; name the pairs that no longer count")
                if (own := (min(pair), max(pair))) in self.said:  # it was flipped
                    withdraws.append(own)
            elif keep not in ("old", "unsure"):
                raise UserError(f"keep: {keep!r} is none of new, old, unsure")
            kept = {"new": same, "old": not same, "unsure": None}[keep]
            asked = self.question()
            again = asked is not None and asked.kind == "again" and asked.image in pair
            image = asked.image if again and asked is not None else None
            self._add("again" if again else "settle", Change([(*sorted(pair), kept)], withdraws), image=image)  # type: ignore[list-item]

    def hear(self, i: int, j: int, same: bool | None) -> None:
        """Take an answer that nobody was asked for here, as from a log.

        Raises:
            Contradiction: others say the opposite; nothing was kept.
            UserError: i and j are not two of the pictures.
        """
        with self.lock:
            self._add("pair", Change([(min(i, j), max(i, j), same)], []))

    def flip(self, number: int) -> None:
        """Say the opposite of an earlier answer about one pair.

        Raises:
            Contradiction: others say so too; nothing was kept.
            UserError: that event is no answer about one pair.
        """
        with self.lock:
            event = next((event for event in self.standing if event.number == number), None)
            if event is None or len(event.pairs) != 1 or event.pairs[0][2] is None:
                raise UserError(f"answer {number}: not one about two pictures that still counts")
            i, j, same = event.pairs[0]
            self._add("flip", Change([(i, j, not same)], [(i, j)]), image=event.image)

    def move(self, images: list[int], group: int | None) -> None:
        """Put pictures into a group, or by themselves into a new one (None).

        Raises:
            UserError: no such picture or group, or as many groups as there may be.
        """
        with self.lock:
            n = len(self.sorter.rows)
            wrong = [image for image in images if not 0 <= image < n]
            if not images or wrong:
                raise UserError(f"pictures {wrong or images}: choose some of 0 to {n - 1}")
            if group is not None and group not in self.groups.founders:
                raise UserError(f"group {group}: there is none; look at the groups again")
            images = list(dict.fromkeys(images))
            emptied = [own for own in self.groups.founders if set(self.groups.members(own).tolist()) <= set(images)]
            if group is None and self.about.clusters == len(self.groups.founders) - len(emptied):
                raise UserError(f"there are {self.about.clusters} groups already; raise that number first")
            change = moved(images, group, self.groups, self.said, n)
            if change.pairs or change.withdraws:
                self._add("move", change, image=images[0])

    def merge(self, founders: list[int]) -> None:
        """Make one group of several.

        Raises:
            UserError: fewer than two groups, or one that is none.
        """
        with self.lock:
            if len(set(founders)) < 2 or not set(founders) <= set(self.groups.founders):
                raise UserError(f"groups {founders}: name two or more that there are")
            self._add("merge", merged(founders, self.groups, self.said), image=min(founders))

    def rename(self, founder: int, name: str) -> None:
        """Name a group; raises UserError where there is none, or the name is too long."""
        with self.lock:
            if founder not in self.groups.founders:
                raise UserError(f"group {founder}: there is none; look at the groups again")
            if len(name) > 80:
                raise UserError(f"name: {len(name)} characters; use 80 at most")
            self._add("rename", Change([], []), image=founder, name=name.strip())

    def undo(self) -> bool:
        """Take back the last thing that was done; whether there was one."""
        with self.lock:
            if not self.standing:
                return False
            self._write("undo", of=self.standing[-1].number)
            self._stale = True
            self._fold()
            return True

    def change(self, **values: Any) -> None:
        """Say anew what the session is about; raises UserError where a value is wrong."""
        with self.lock:
            about = checked(self.about.model_dump() | values)
            sorter = self.sorter
            if about.clusters != sorter.clusters:
                if about.clusters is not None and about.clusters < len(self.groups.founders):
                    raise UserError(
                        f"clusters: {about.clusters}, but there are more groups already; merge some first"
                    )
                sorter.recount(about.clusters)
                self._stale = True
            write(self.place, about)
            self.about = about
            self._fold()

    def _add(self, kind: Kind, change: Change, **others: Any) -> None:
        """Keep an event if nothing contradicts it."""
        said = dict(self.said)
        for pair in change.withdraws:
            said.pop(pair, None)
        known = Constraints.fold(len(self.sorter.rows), ((*pair, same) for pair, same in said.items()))
        for i, j, same in change.pairs:
            try:
                known.add(i, j, same)
            except Contradiction as error:
                raise Clash(error, self._doubt(error)) from error
        self._write(kind, pairs=change.pairs, withdraws=change.withdraws, **others)
        self._stale = self._stale or bool(change.withdraws) or kind in ("move", "merge", "tap")
        self._fold()

    def _write(self, kind: Kind, **others: Any) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = Event(number=len(self.events) + 1, at=at, kind=kind, **others)
        events.append(self.log, event)
        self.events.append(event)

    def _doubt(self, error: Contradiction) -> int:
        """The place in the chain of the answer that the rest speaks most against."""
        if self.found is None:
            return 0
        around = self.found.around
        alike = [float(around[given.i] @ around[given.j]) for given in error.chain]
        return int(
            np.argmin([value if given.same else 1 - value for value, given in zip(alike, error.chain, strict=True)])
        )

    # What is learned

    @property
    def due(self) -> bool:
        """Whether there is something to learn: a round of answers, a change of groups, or nobody waits."""
        with self.lock:
            few = sum(self._questions().open(entry) for entry in self.waiting.entries) < ROUND // 2
            tuned = _changed(self.place / tuning.FILE) != self._tuning
            return self._stale or few or tuned or len(self.events) - self.waiting.answered >= ROUND

    def fit(self) -> None:
        """Learn from the answers, and choose who is asked about next; answers may come in meanwhile.

        Raises:
            UserError: the queue cannot be written.
        """
        with self.lock:
            placed, founders = self.sorter.placed(self.known), self.groups.founders
            known, number, count = self._as_known(), self.waiting.round, len(self.events)
            again = [event.image for event in self.standing if event.kind == "again"]
            owed = self.answered // waiting.BETWEEN - len(again)
            groups, self._stale = self.groups, False
        found = self.sorter.sort(placed) if placed.count else None
        columns = [groups.of[int(members[0])] for members in placed.members()]
        found, tuned = self._tuned(found, columns, groups)
        images = [image for image in self.sorter.next(found, known, number, waiting.AHEAD) if image not in self.gone]
        entries = [Entry(image=image, order=order(found, columns, image)) for image in images]
        if found is not None and owed > 0:
            astray = (image for image in found.astray() if again.count(image) < waiting.AGAIN)
            doubted = next((image for image in astray if (groups.core(groups.of[image]) != image).any()), None)
            if doubted is not None:
                entries.insert(ROUND // 2, Entry(image=doubted, again=again.count(doubted)))
        with self.lock:
            head = self._questions().head()
            kept = [] if head is None else [head]
            moved_now = self._moved(found, columns)
            shares = self.waiting.moved + ([] if moved_now is None else [moved_now])
            others = [entry for entry in entries if not kept or entry.image != kept[0].image]
            self.waiting = Waiting(round=number + 1, answered=count, entries=kept + others, moved=shares[-ROUNDS:])
            self.found, self._columns, self.tuned = found, columns, tuned
            waiting.write(self.place / "queue.json", self.waiting)
            if not founders:
                self._group()

    def _tuned(self, found: Sorted | None, columns: list[int], groups: Groups) -> tuple[Sorted | None, bool]:
        """What the network that is trained beside (`pcl.label.tuning`) says, where it is right more often."""
        self._tuning = _changed(self.place / tuning.FILE)
        left = tuning.read(self.place) if self._tuning else None
        if found is None or found.kept is None or left is None or left.kept <= found.kept:
            return found, False
        p = left.over(columns, groups.of) if len(left.p) == len(found.p) else None
        return (found, False) if p is None else (replace(found, p=p, kept=left.kept), True)

    def _as_known(self) -> Known:
        unsure = [pair for pair, same in self.said.items() if same is None]
        return Known(self.known, budget=len(self.said), unsure=unsure)

    def _moved(self, found: Sorted | None, columns: list[int]) -> float | None:
        """The share of pictures whose group is another one than at the last fit."""
        if found is None:
            return None
        now, before = np.array(columns)[found.labels], self._labels
        self._labels = now
        if before is None:
            return None
        own = np.array([self.groups.of.get(founder, -1) for founder in before.tolist()])
        return float((own != np.array([self.groups.of.get(founder, -1) for founder in now.tolist()])).mean())

    # What is shown

    def shown(self) -> list[Group]:
        """The groups, the most doubtful first."""
        with self.lock:
            return overview.of(self.groups, self.names(), self.inferred, self.gone)

    @property
    def inferred(self) -> overview.Inferred | None:
        """What the last fit says about pictures that are in no group; None before there was one."""
        if self.found is None:
            return None
        return overview.Inferred(self.found.p, [self.groups.of.get(founder) for founder in self._columns])

    def names(self) -> dict[int, str]:
        """What the person calls groups, by founder; those without a name are not in it."""
        named = [event for event in self.standing if event.kind == "rename"]
        return {self.groups.of[event.image]: event.name or "" for event in named if event.image in self.groups.of}

    def column(self, own: int) -> int:
        """The founder, now, of a group that the last fit has found."""
        return self.groups.of[self._columns[own]]

    @property
    def in_doubt(self) -> int:
        """Pictures whose likeliest group is not likely."""
        with self.lock:
            inferred = self.inferred
            return 0 if inferred is None else inferred.doubtful(self.groups, self.gone)

    def advice(self) -> str:
        """Whether further answers are worth giving, in words."""
        shares, found = self.waiting.moved, self.found
        if found is None:
            return ""
        parts = [f"{self.in_doubt:,} pictures are in doubt"]
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


class Clash(Contradiction):
    """An answer that contradicts earlier ones, and which of these is the most doubtful."""

    def __init__(self, error: Contradiction, doubt: int) -> None:
        """The same, with the place in the chain of the answer that is doubted most."""
        super().__init__(error.answer, error.chain)
        self.doubt = doubt
