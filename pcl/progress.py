"""Progress of long work: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Said outright: FORCE_COLOR and its like would fill a log file with control codes.
console = Console(file=sys.stderr, highlight=False, force_terminal=sys.stderr.isatty())
BAR: ContextVar[Progress | None] = ContextVar("bar", default=None)


def say(message: str) -> None:
    """One line for the person who watches."""
    console.print(message, markup=False, soft_wrap=True)


class Reporter:
    """Told how far the work is; shows it."""

    def __init__(self, name: str, total: int | None, done: int, bar: Progress | None) -> None:
        self.name, self.total, self.done, self.bar = name, total, done, bar
        self.start, self.first = time.monotonic(), done
        if bar is not None:
            self.task = bar.add_task(name, total=total, completed=done, detail="")

    def advance(self, detail: str) -> None:
        """One more unit of work is done."""
        self.done += 1
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, detail=detail)
            return
        pace = (time.monotonic() - self.start) / (self.done - self.first)
        of, left = "", ""
        if self.total is not None:
            of, left = f"/{self.total}", f", {pace * (self.total - self.done):.0f} s left"
        say(f"{self.name} {self.done}{of}  {detail}  {pace:.2f} s each{left}")


@contextmanager
def reporter(name: str, total: int | None, done: int = 0) -> Iterator[Reporter]:
    """Follow `total` units of work (None: nobody knows how many), of which `done` were done before."""
    if not console.is_terminal:
        yield Reporter(name, total, done, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[detail]}"), console=console) as bar:
        token = BAR.set(bar)
        try:
            yield Reporter(name, total, done, bar)
        finally:
            BAR.reset(token)


@contextmanager
def aside() -> Iterator[None]:
    """Take the bar off the terminal while a person is asked something."""
    bar = BAR.get()
    if bar is None:
        yield
        return
    bar.stop()
    try:
        yield
    finally:
        bar.start()
