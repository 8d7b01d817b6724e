"""The question that stands: the first picture that waits, beside the likeliest group it was not held against yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.label.events import Kind, Pair
from pcl.label.groups import Groups, Said
from pcl.label.waiting import Entry
from pcl.sorting import Sorted, Sorter

SHOWN = 9  # members of a group beside a picture
TAPPED = 12  # pictures that are offered at once
OTHERS = 9  # groups that are offered beside the likeliest


@dataclass(frozen=True)
class Question:
    """Does a picture belong to a group?

    Attributes:
        id: of the question; another one as soon as anything has happened.
        kind: "place", "pair" (one member is shown), "tap" (several pictures are offered), or "again".
        image: the picture.
        group: the founder of the group.
        members: of the group, those most like the picture first; the first one is what the answer is about.
        candidates: the pictures that are offered to be tapped.
        others: the founders of further groups, the likeliest first.
    """

    id: str
    kind: Kind
    image: int
    group: int
    members: list[int]
    candidates: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)

    def pairs(self, reply: str, group: int | None, chosen: list[int], among: Questions) -> list[Pair]:
        """What a reply says.

        Raises:
            UserError: it is no reply to this question.
        """
        if self.kind == "tap" and reply == "tap":
            if not set(chosen) <= set(self.candidates):
                raise UserError(f"chosen: {chosen} are not all among the pictures that were offered")
            return [among.about(image, self.group, image in chosen) for image in self.candidates]
        if reply in ("same", "different", "unsure") and self.kind != "tap":
            same = {"same": True, "different": False, "unsure": None}[reply]
            return [_pair(self.image, self.members[0], same)]
        if reply == "unsure":
            return [among.about(image, self.group, None) for image in self.candidates]
        if reply == "none" and self.kind != "again":
            return [among.about(self.image, own, False) for own in among.open_groups(self.image)]
        if reply == "choose" and group in among.groups.founders and self.kind in ("place", "pair"):
            return [among.about(self.image, group, True)]
        raise UserError(f"reply: {reply!r} is no answer to a question of kind {self.kind}")


class Questions:
    """All that decides what is asked."""

    def __init__(
        self,
        sorter: Sorter,
        known: Constraints,
        groups: Groups,
        said: Said,
        entries: list[Entry],
        again: list[int],
        number: int,
    ) -> None:
        """Take what is known, who waits, who was asked again, and how many events there were."""
        self.sorter, self.known, self.groups, self.entries = sorter, known, groups, entries
        self._again, self._number = again, number
        self._unsure: dict[int, set[int]] = {}
        for (i, j), same in said.items():
            if same is None:
                self._unsure.setdefault(i, set()).add(j)
                self._unsure.setdefault(j, set()).add(i)

    def first(self, mode: str) -> Question | None:
        """The question that stands."""
        entry = self.head()
        if entry is None:
            return None
        if entry.again is not None:
            return self._again_about(entry.image)
        own, *others = self._order(entry)
        if mode == "tap":
            waiting = (e for e in self.entries if e.again is None and self.open(e) and self._order(e)[0] == own)
            offered = [e.image for e, _ in zip(waiting, range(TAPPED), strict=False)]
            members = self._members(entry.image, own)
            return Question(self._id(entry.image, own, "tap"), "tap", entry.image, own, members, offered)
        shown = self._members(entry.image, own)[: 1 if mode == "pair" else SHOWN]
        kind: Kind = "pair" if mode == "pair" else "place"
        return Question(
            self._id(entry.image, own, kind), kind, entry.image, own, shown, others=others[:OTHERS]
        )  # fmt: skip

    def pair(self, entry: Entry) -> tuple[int, int]:
        """The picture that waits, and the member of the likeliest group that it is held against."""
        return entry.image, self._members(entry.image, self._order(entry)[0])[0]

    def head(self) -> Entry | None:
        """The first entry that there is something to ask about."""
        return next((entry for entry in self.entries if self.open(entry)), None)

    def open(self, entry: Entry) -> bool:
        """Whether there is something to ask about a picture that waits."""
        image = entry.image
        if entry.again is not None:
            own = self.groups.of.get(image)
            return (
                own is not None and (self.groups.core(own) != image).any() and self._again.count(image) <= entry.again
            )
        return image not in self.groups.of and next(self.open_groups(image), None) is not None

    def open_groups(self, image: int) -> Iterator[int]:
        """The founders of the groups that a picture was not held against."""
        unsure = {self.groups.of.get(other) for other in self._unsure.get(image, ())}
        for founder in self.groups.founders:
            if founder not in unsure and self.known.relation(image, founder) is None:
                yield founder

    def about(self, image: int, founder: int, same: bool | None) -> Pair:
        """An answer about a picture and the member of a group that is most like it."""
        return _pair(image, self._members(image, founder)[0], same)

    def _members(self, image: int, founder: int) -> list[int]:
        members = self.groups.core(founder)
        return self.sorter.nearest(image, members[members != image], SHOWN)

    def _again_about(self, image: int) -> Question:
        own = self.groups.of[image]
        return Question(self._id(image, own, "again"), "again", image, own, self._members(image, own))

    def _order(self, entry: Entry) -> list[int]:
        """Groups that a picture was not held against, likeliest first; those that are new, by how near they are."""
        still = list(self.open_groups(entry.image))
        ranked = [
            own for own in dict.fromkeys(self.groups.of.get(founder) for founder in entry.order) if own in still
        ]
        for own in still:
            if own not in ranked:
                near = self._away(entry.image, own)
                at = next((k for k, other in enumerate(ranked) if near < self._away(entry.image, other)), len(ranked))
                ranked.insert(at, own)
        return [own for own in ranked if own is not None]

    def _away(self, image: int, founder: int) -> float:
        rows = self.sorter.rows
        nearest = self._members(image, founder)[0]
        return float(((rows[image] - rows[nearest]) ** 2).sum())

    def _id(self, image: int, founder: int, kind: str) -> str:
        return f"{self._number}-{kind}-{image}-{founder}"


def _pair(image: int, other: int, same: bool | None) -> Pair:
    return min(image, other), max(image, other), same


def order(found: Sorted | None, columns: list[int], image: int) -> list[int]:
    """The founders of groups, the likeliest for a picture first; `columns` are those of the groups found."""
    if found is None:
        return []
    return [columns[own] for own in np.argsort(-found.p[image], kind="stable").tolist()]
