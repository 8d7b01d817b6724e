"""Drives a training: passes its questions on, and tells observers what has happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pcl.engine.loop import Epoch, Training
from pcl.oracles.base import Question


class Observer(Protocol):
    """Told of the end of every epoch, in the order in which observers are given."""

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch is over."""


def drive(training: Training, answer: Callable[[Question], bool | None], observers: Sequence[Observer]) -> None:
    """Run a training to its end.

    The simulation, a person at a terminal and a test differ in who answers and in who observes, and in nothing else.

    Args:
        training: the generator of events.
        answer: whether the two images are in the same cluster; None is "not sure".
        observers: of the ends of epochs.
    """
    reply: bool | None = None
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
