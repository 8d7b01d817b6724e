"""A folder of plain pictures in three colours and a session about it, for tests of the page.

As a program it serves that page and prints the link: `python shown.py FOLDER HOME`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pcl.label import events
from pcl.label.about import About, create
from pcl.label.events import Event
from pcl.label.library import Library
from pcl.label.server import serve
from pcl.label.session import Session

EACH = 15
COLOURS = {"blue": (40, 70, 200), "green": (40, 160, 60), "red": (200, 50, 40)}  # in the order of their numbers


def draw(folder: Path) -> None:
    """Write the pictures; picture i is of colour i // EACH."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for number in range(EACH):
            pixels = np.clip(np.array(colour) + noise.integers(-30, 30, (64, 48, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}-{number:02}.png")


def opened(folder: Path, home: Path, said=(), budget: int | None = 100) -> tuple[Session, Library]:
    """The session about a folder, begun with answers (i, j, same) if it is new; it has learned what it can."""
    library = Library.open(folder, home)
    place = library.place / "session"
    if not (place / "session.json").exists():
        create(place, About(folder=str(folder), criterion="by colour", budget=budget, features="colours"))
        for number, pair in enumerate(said, start=1):
            event = Event(number=number, at="2026-01-01T00:00:00.000+00:00", kind="pair", pairs=[pair])
            events.append(place / "log.jsonl", event)
    colours = [library.array(image).reshape(-1, 3).mean(0) for image in range(len(library.pictures))]
    session = Session(place, np.array(colours, np.float32) / 255)
    if session.due:
        session.fit()
    return session, library


def alike(i: int, j: int) -> bool:
    """What the person says about two pictures."""
    return i // EACH == j // EACH


if __name__ == "__main__":
    serve(*opened(Path(sys.argv[1]), Path(sys.argv[2])), show=lambda link: print(link, flush=True))
