"""The log of a session: everything a person did, one JSON line each. All else about a session follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from pcl import artifacts
from pcl.config import Strict
from pcl.errors import UserError

Pair = tuple[int, int, bool | None]
Kind = Literal["place", "pair", "tap", "again", "settle", "flip", "move", "merge", "rename", "undo"]


class Event(Strict):
    """One thing that a person did.

    Attributes:
        number: from 1; the line of the file.
        at: UTC, as ISO 8601 says it.
        kind: what was done: an answer to a question of some kind, a contradiction settled, a change of groups.
        pairs: what it says about two pictures each: same, different, or not sure (None).
        withdraws: earlier answers that no longer count, as pairs.
        image: the picture that was asked about, or that stands for the group that is named.
        name: that the group is given.
        seconds: since the question was shown, where one was.
        of: the event that is undone.
    """

    number: int = Field(ge=1)
    at: str
    kind: Kind
    pairs: list[Pair] = Field(default_factory=list)
    withdraws: list[tuple[int, int]] = Field(default_factory=list)
    image: int | None = None
    name: str | None = None
    seconds: float | None = None
    of: int | None = None


def append(path: Path, event: Event) -> None:
    """Write an event, and return when it is on disk.

    Raises:
        UserError: it cannot be written; the log is as it was.
    """
    artifacts.append(path, event.model_dump_json(exclude_defaults=True) + "\n")


def read(path: Path) -> list[Event]:
    """The events of a log, less a last line that a kill has cut short, which is removed.

    Raises:
        UserError: the log cannot be read, or a line of it is damaged.
    """
    if not path.exists():
        return []
    return [
        _parsed(path, number, line) for number, line in enumerate(artifacts.whole_lines(path).splitlines(), start=1)
    ]


def _parsed(path: Path, number: int, line: bytes) -> Event:
    try:
        event = Event.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}:{number}: {where + ': ' if where else ''}{first['msg']}; restore this line, or cut the log off "
            "before it"
        ) from error
    if event.number != number:
        raise UserError(f"{path}:{number}: event {event.number} stands here; restore the missing lines")
    return event


def standing(events: Iterable[Event]) -> list[Event]:
    """The events that were not undone, without the undoing."""
    left: dict[int, Event] = {}
    for event in events:
        if event.kind == "undo":
            left.pop(event.of or 0, None)
        else:
            left[event.number] = event
    return list(left.values())


def answers(events: Iterable[Event]) -> dict[tuple[int, int], bool | None]:
    """What counts in the end about pairs i < j, in the order in which it was said."""
    said: dict[tuple[int, int], bool | None] = {}
    for event in events:
        for i, j in event.withdraws:
            said.pop((min(i, j), max(i, j)), None)
        for i, j, same in event.pairs:
            pair = min(i, j), max(i, j)
            if said.get(pair) is None:
                said.pop(pair, None)
                said[pair] = same
    return said
