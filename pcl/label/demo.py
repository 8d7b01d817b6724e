"""Pictures that the project brings: shapes that can be sorted by colour, shape, filling or size."""

from __future__ import annotations

import io
from itertools import product
from math import cos, pi, sin
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pcl import artifacts
from pcl import seed as seeds
from pcl.label import private

COLOURS = {"red": "#c8321e", "yellow": "#e0b000", "green": "#2f8f3a", "blue": "#2f5fc4", "black": "#222222"}
CORNERS = {"circle": 60, "square": 4, "triangle": 3}
FILLINGS = ("filled", "empty")
RADII = {"large": 0.38, "small": 0.2}
EACH = 5
SIDE = 96
FINER = 4  # drawn so many times larger, and shrunk, which smooths the edges


def write(folder: Path | None = None) -> Path:
    """Draw 300 pictures named like `red-circle-filled-large-1.png`, the same ones every time; the folder.

    What is there already is left as it is.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = folder or private.home() / "demo-pictures"
    for words in product(COLOURS, CORNERS, FILLINGS, RADII, map(str, range(1, EACH + 1))):
        path = folder / f"{'-'.join(words)}.png"
        if not path.exists():
            artifacts.write(path, _png(*words))
    return folder


def _png(colour: str, shape: str, filling: str, size: str, number: str) -> bytes:
    """One picture: the shape at a place and angle of its own, on paper that is not quite white."""
    rng = seeds.numpy_generator(0, "demo", colour, shape, filling, size, number)
    whole, radius = SIDE * FINER, RADII[size] * SIDE * FINER
    paper = tuple(int(part) for part in rng.integers(225, 256, 3))
    image = Image.new("RGB", (whole, whole), paper)
    middle = rng.uniform(radius + 0.05 * whole, 0.95 * whole - radius, 2)
    corners = _corners(CORNERS[shape], middle, radius, rng.uniform(0, 2 * pi))
    inside = COLOURS[colour] if filling == "filled" else None
    ImageDraw.Draw(image).polygon(corners, fill=inside, outline=COLOURS[colour], width=3 * FINER)
    buffer = io.BytesIO()
    image.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return buffer.getvalue()


def _corners(count: int, middle: np.ndarray, radius: float, turned: float) -> list[tuple[float, float]]:
    angles = (turned + 2 * pi * corner / count for corner in range(count))
    return [(middle[0] + radius * cos(angle), middle[1] + radius * sin(angle)) for angle in angles]
