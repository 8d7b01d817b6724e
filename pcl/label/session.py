"""What a person does in a session: answers, settling what disagrees, changes of groups by hand, and undoing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pcl.constraints import Constraints, Contradiction
from pcl.errors import UserError
from pcl.label.about import checked, write
from pcl.label.events import Kind
from pcl.label.groups import Change, merged, moved
from pcl.label.state import State


class Stale(Exception):
    """The question that was answered is not the one that stands."""


class Clash(Contradiction):
    """An answer that contradicts earlier ones, and which of these is the most doubtful."""

    def __init__(self, error: Contradiction, doubt: int) -> None:
        """The same, with the place in the chain of the answer that is doubted most."""
        super().__init__(error.answer, error.chain)
        self.doubt = doubt


class Session(State):
    """One session. Every public method may be called from any thread; none but `fit` takes long."""

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
            self.learning.stale = True
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
                self.learning.stale = True
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
                raise Clash(error, self.learning.least_likely(error)) from error
        self._write(kind, pairs=change.pairs, withdraws=change.withdraws, **others)
        self.learning.stale |= bool(change.withdraws) or kind in ("move", "merge", "tap")
        self._fold()
