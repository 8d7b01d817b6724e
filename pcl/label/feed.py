"""What the page is told without asking, and the learning that goes on while questions are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from pcl import progress
from pcl.errors import UserError

PULSE = 15.0  # seconds between signs of life, by which a browser that has gone is noticed


class Feed:
    """Events for all tabs that listen, as server-sent events."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Queue[str]] = []
        self._ended = False

    def send(self, event: str, **data: Any) -> None:
        """Tell all tabs; from the thread of the server only."""
        for queue in self._listeners:
            queue.put_nowait(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    async def listen(self, left: Callable[[], None]) -> AsyncIterator[str]:
        """Events from now on; `left` is called when the tab no longer listens."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield "retry: 1000\n\n"
            while not self._ended:
                try:
                    yield await asyncio.wait_for(queue.get(), PULSE)
                except TimeoutError:
                    yield ": \n\n"
        finally:
            with suppress(ValueError):
                self._listeners.remove(queue)
            left()

    def end(self) -> None:
        """Let all tabs go."""
        self._ended = True
        for queue in self._listeners:
            queue.put_nowait("event: bye\ndata: {}\n\n")


class Learner:
    """Fits a session in a thread of its own, one fit at a time, whenever it is due."""

    def __init__(self, due: Callable[[], bool], fit: Callable[[], None], feed: Feed) -> None:
        """Take what says whether there is something to learn, what learns it, and who is told."""
        self._due, self._fit, self._feed = due, fit, feed
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""  # why the last fit failed

    @property
    def busy(self) -> bool:
        """Whether it learns now."""
        return self._task is not None and not self._task.done()

    def poke(self) -> None:
        """Something has happened: learn, if it is due."""
        if not self.busy and self._due():
            self._task = asyncio.create_task(self._learn())

    async def _learn(self) -> None:
        self.trouble = ""
        try:
            while self._due():
                self._feed.send("fit", state="started")
                await asyncio.to_thread(self._fit)
        except Exception as error:  # whatever it is, questions go on; the next answer tries again
            known = isinstance(error, UserError)
            self.trouble = (
                str(error) if known else f"the groups were not learned anew ({type(error).__name__}: {error})"
            )
            progress.say(self.trouble)
        finally:
            self._task = None
            self._feed.send("fit", state="finished")
