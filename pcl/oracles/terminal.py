"""A person at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.text import Text

from pcl import progress
from pcl.errors import UserError
from pcl.oracles import base

WIDEST = 32  # characters of a shown image
KEYS: dict[str, bool | None] = {"y": True, "n": False, "u": None}


class Oracle(base.Oracle):
    """Shows both images in the terminal and waits for a key: y for the same cluster, n for another, u for unsure.

    q stops. Every answer is on disk by then, and the same command goes on from there.

    Source: a person; nothing is simulated.
    """

    version = 1
    interactive: ClassVar[bool] = True

    def __init__(self, settings: Any, context: base.Context) -> None:
        """Check that there is a person to ask.

        Raises:
            UserError: the program does not run in a terminal.
        """
        super().__init__(settings, context)
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UserError(
                "oracle terminal: asks a person, but this is no terminal; start the command by hand, or choose "
                "another oracle for this arm"
            )

    def reply(self, question: base.Question) -> bool | None:
        """What the person says.

        Raises:
            UserError: the person stops here.
        """
        with progress.aside(), keys() as pressed:
            progress.console.print(Columns([drawn(self.context.image(image)) for image in (question.i, question.j)]))
            progress.say(f"Images {question.i} and {question.j}: the same? y yes, n no, u unsure, q stop")
            key = next((key for key in pressed if key in KEYS or key == "q"), "q")
        if key == "q":
            raise UserError("stopped; every answer so far is kept, and the same command goes on from there")
        return KEYS[key]


@contextmanager
def keys() -> Iterator[Iterator[str]]:
    """Every key that is pressed from now on, without its waiting for the end of a line.

    What was typed before is thrown away: it is no answer about pictures that were not there yet.
    """
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSAFLUSH)

    def pressed() -> Iterator[str]:
        with suppress(KeyboardInterrupt):
            while typed := os.read(terminal, 1):
                yield typed.decode(errors="replace").lower()

    try:
        yield pressed()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def drawn(image: NDArray[np.uint8]) -> Text:
    """An image [H, W, C] as coloured characters, each of them two pixels high."""
    height, width = image.shape[:2]
    step = max(1, -(-width // WIDEST))
    pixels = image[: height // step * step : step, ::step]
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    text = Text()
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({_rgb(above)}) on rgb({_rgb(below)})")
        text.append("\n")
    return text


def _rgb(pixel: list[int]) -> str:
    return ",".join(map(str, pixel[:3]))
