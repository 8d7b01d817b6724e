"""A figure as files: SVG, whose ink follows the page's or the system's theme, white PNG, PDF, and CSV.

Equal numbers give equal bytes.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

# What a notebook leaves behind names a backend that may not be installed here; none is used.
os.environ["MPLBACKEND"] = "agg"

import matplotlib
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from pcl import artifacts
from pcl.report.figures.base import Drawing

# Drawn in this colour, then replaced by the colour of the text around the figure.
INK = "#010203"
THEME = (
    "<style>:root{color-scheme:light dark;color:#1d1d1f}@media(prefers-color-scheme:dark){:root{color:#ececf1}}"
    "svg *{stroke-linejoin:round;stroke-linecap:butt}</style>"
)


def contents(drawing: Drawing, out: Path) -> dict[Path, bytes | str]:
    """File -> content: `out` with the endings .svg, .png, .pdf and .csv."""
    made: dict[Path, bytes | str] = {
        Path(f"{out}.svg"): _titled(_svg(drawing.draw, out.name), drawing.titles, out.name)
    }
    for ending, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        buffer = io.BytesIO()
        with _styled("#1d1d1f", out.name):
            canvas = _spelled(drawing.draw("#1d1d1f"))
            canvas.savefig(buffer, format=ending, dpi=200, facecolor="white", metadata=metadata)
        made[Path(f"{out}.{ending}")] = buffer.getvalue()
    return made | {Path(f"{out}.csv"): drawing.numbers}


def write(drawing: Drawing, out: Path) -> None:
    """Write `contents`, each whole or not at all."""
    for path, content in contents(drawing, out).items():
        artifacts.write(path, content)


def _svg(draw: Callable[[str], Canvas], name: str) -> str:
    """A drawing whose ink is `currentColor`, with ids of its own, so that a page can hold several."""
    buffer = io.StringIO()
    with _styled(INK, name):
        draw(INK).savefig(buffer, format="svg", dpi=160, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", THEME, svg, count=1, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor").replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    for before in (' id="', 'href="#', "url(#"):
        svg = svg.replace(before, f"{before}{name}-")
    return svg


def _titled(svg: str, titles: Mapping[str, str], name: str) -> str:
    """The same with a title in each group that has one; its inside counts too, where a pointer is over it."""

    def with_title(found: re.Match[str]) -> str:
        text = titles.get(found[1])
        return f'{found[0][:-1]} pointer-events="all"><title>{escape(text)}</title>' if text else found[0]

    return re.sub(rf'<g id="{re.escape(name)}-([^"]+)">', with_title, svg)


def _spelled(canvas: Canvas) -> Canvas:
    """The same with signs that the font lacks as numbers, U+4E2D; an SVG leaves them to the reader's fonts."""
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    for text in canvas.findobj(Text):
        spelled = (char if char == "\n" or ord(char) in known else f"U+{ord(char):04X}" for char in text.get_text())
        text.set_text("".join(spelled))
    return canvas


@contextmanager
def _styled(ink: str, salt: str) -> Iterator[None]:
    """This style over matplotlib's own defaults, whatever the user's say."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_style(ink, salt))
        yield


def _style(ink: str, salt: str) -> Any:
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
    return {
        **dict.fromkeys(inked, ink),
        "font.family": "DejaVu Sans",
        "text.parse_math": False,
        "font.size": 11,
        "axes.titlesize": 11.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "pdf.fonttype": 42,
    }
