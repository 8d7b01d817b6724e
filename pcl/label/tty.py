"""The same questions without a browser: a picture file of each, and a key or a line as the answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from pcl import artifacts, progress
from pcl.constraints import Contradiction
from pcl.errors import UserError
from pcl.label.library import Library
from pcl.label.questions import Question
from pcl.label.session import Session
from pcl.oracles import terminal

REPLIES = {"y": "same", "n": "different", "u": "unsure", "o": "none"}
HELP = "y same, n different, u not sure, o none of these, b back, q stop"
SIDE = 320
SMALL = 104
ACROSS = 3  # members in a row of the sheet


def ask(session: Session, library: Library) -> None:
    """Ask until everything is known, the budget is spent, or the person stops.

    Raises:
        UserError: an answer, or the file of a question, cannot be written.
    """
    sheet = session.place / "question.png"
    with _typed() as typed:
        while True:
            if session.due:
                session.fit()
            asked = session.question()
            if asked is None:
                progress.say(
                    f"nothing more to ask: {session.answered} answers, {session.learning.advice(session.groups)}"
                )
                return
            _show(session, library, asked, sheet)
            key = next((key for key in typed if key in REPLIES or key in "bq"), "q")
            if key == "q":
                progress.say("stopped; every answer is kept, and the same command goes on from here")
                return
            _act(session, library, asked, key)


def _act(session: Session, library: Library, asked: Question, key: str) -> None:
    if key == "b":
        progress.say("taken back" if session.undo() else "there is nothing to take back")
        return
    try:
        session.answer(asked.id, REPLIES[key])
    except Contradiction as error:
        names = [
            f"{library.pictures[given.i].path} {'=' if given.same else '≠'} {library.pictures[given.j].path}"
            for given in error.chain
        ]
        # The earlier answers are likelier right; who knows better goes back to the wrong one, or opens the page.
        session.settle((error.answer.i, error.answer.j), error.answer.same, "unsure")
        progress.say(f"that contradicts what was said before: {', '.join(names)}; kept as not sure")
    except UserError as error:
        if isinstance(error.__cause__, OSError):
            raise
        progress.say(str(error))


def _show(session: Session, library: Library, asked: Question, sheet: Path) -> None:
    image = drawn(library, asked)
    artifacts.write(sheet, lambda file: image.save(file, "PNG"))
    if progress.console.is_terminal:
        progress.console.print(terminal.drawn(np.asarray(image)))
    about = session.about.criterion or "the same group"
    name = session.names().get(asked.group) or f"group {session.groups.founders.index(asked.group) + 1}"
    progress.say(
        f"{session.answered + 1}. {library.pictures[asked.image].path} and {name} ({about})?  {sheet}\n{HELP}"
    )


def drawn(library: Library, asked: Question) -> Image.Image:
    """The picture on the left, the members of the group on the right."""
    rows = -(-len(asked.members) // ACROSS)
    across = min(len(asked.members), ACROSS)
    paper = Image.new("RGB", (SIDE + 8 + across * (SMALL + 4), max(SIDE, rows * (SMALL + 4))), "white")
    paper.paste(_thumbnail(library, asked.image, SIDE), (0, 0))
    for at, member in enumerate(asked.members):
        row, column = divmod(at, ACROSS)
        paper.paste(_thumbnail(library, member, SMALL), (SIDE + 8 + column * (SMALL + 4), row * (SMALL + 4)))
    return paper


def _thumbnail(library: Library, image: int, side: int) -> Image.Image:
    own = Image.fromarray(library.array(image))
    own.thumbnail((side, side))
    return own


@contextmanager
def _typed() -> Iterator[Iterator[str]]:
    """Keys of a terminal as they are pressed; else the characters of the lines that are piped in."""
    if sys.stdin.isatty():
        with terminal.keys() as pressed:
            yield pressed
    else:
        yield (key for line in sys.stdin for key in line.strip().lower())
