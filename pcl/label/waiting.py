"""The pictures that are asked about next, as they lie on disk: after any stop the same question comes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from pcl import artifacts
from pcl.config import Strict

AHEAD = 40  # pictures that wait, so that nobody waits for a fit
BETWEEN = 20  # answers for each that is asked again
AGAIN = 2  # times that a picture is asked again


class Entry(Strict):
    """A picture that waits.

    Attributes:
        image: the picture.
        order: the founders of groups, the likeliest first.
        again: that it is placed already and asked again, and how often it has been before; None: it is new.
    """

    image: int
    order: list[int] = Field(default_factory=list)
    again: int | None = None


class Waiting(Strict):
    """The queue, and how far the rounds are.

    Attributes:
        round: fits that were made.
        answered: events that had happened at the last one.
        entries: the pictures, in order.
        moved: the share of pictures that changed their group at each of the last fits.
    """

    round: int = 0
    answered: int = 0
    entries: list[Entry] = Field(default_factory=list)
    moved: list[float] = Field(default_factory=list)


def read(path: Path) -> Waiting:
    """The queue of a session; a missing or damaged one is empty, and the next fit fills it."""
    try:
        return Waiting.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Waiting()


def write(path: Path, waiting: Waiting) -> None:
    """Write the queue; raises UserError where that fails."""
    artifacts.write(path, waiting.model_dump_json() + "\n")
