"""Drives a training: passes its questions on, and tells observers what has happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pcl import progress
from pcl.engine.events import Epoch, Training
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.folder import Folder
from pcl.oracles.base import Question, Reply


class Observer(Protocol):
    """Told of the end of every epoch, in the order in which observers are given."""

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch is over."""


@dataclass(frozen=True)
class Shown:
    """Shows the last row of a history."""

    report: progress.Reporter
    history: list[dict[str, Any]]

    def epoch_ended(self, epoch: Epoch) -> None:
        """Show it."""
        self.report.advance("  ".join(f"{key} {value}" for key, value in self.history[-1].items() if value != ""))


def named(folder: Folder, training: Training) -> Training:
    """The training, its errors beginning with the folder."""
    try:
        yield from training
    except UserError as error:
        raise UserError(f"{folder.path}: {error}") from error


def left(known: Known) -> str:
    """Why a run has asked less than it may."""
    asked = f"asked {known.spent} of {known.budget}"
    if known.unsure:
        return f'{asked}; {len(known.unsure)} more were answered "not sure", and those pairs are not asked again'
    return f"{asked}; the strategy found no further pair to ask"


def drive(training: Training, answer: Callable[[Question], Reply], observers: Sequence[Observer]) -> None:
    """Run a training to its end.

    The simulation, a person at a terminal and a test differ in who answers and in who observes, and in nothing else.

    Args:
        training: the generator of events.
        answer: whether the two images are in the same cluster, or which prototype an image is with; None: "not sure".
        observers: of the ends of epochs.
    """
    reply: Reply = None
    while True:
        try:
            event = training.send(reply)
        except StopIteration:
            return
        reply = None
        if isinstance(event, Question):
            reply = answer(event)
        else:
            for observer in observers:
                observer.epoch_ended(event)
