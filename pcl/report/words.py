"""How names and numbers are put to a reader."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

METRIC_NAMES = {"nmi": "NMI", "ari": "ARI", "f": "F", "acc": "ACC", "pairwise_f1": "pairwise F1"}
NOT_RUN = "not run"
NEEDS_CLUSTERS = "needs K"
NOT_PUBLISHED = "not published"
NO_VALUE = "n/a"
UNKNOWN = "unknown"


def heading(name: str) -> str:
    """`table3` as "Table 3", `fig4` as "Fig. 4"; any other name with a capital."""
    found = re.fullmatch(r"(table|fig)(\d+)", name)
    if found is None:
        return name[:1].upper() + name[1:]
    return f"{'Table' if found[1] == 'table' else 'Fig.'} {found[2]}"


def one_line(text: str) -> str:
    """A text without breaks, tabs and signs that control a terminal."""
    return "".join(char for char in " ".join(text.split()) if unicodedata.category(char) != "Cc")


def in_legend(label: str) -> str:
    """A label with a space of no width before a sign that would keep it out of a figure's legend."""
    return f"\u200b{label}" if label.startswith("_") else label


def numbers(values: Iterable[int]) -> str:
    """Seeds and the like, one after the other."""
    return ", ".join(map(str, values))


def image_counts(counts: dict[str, int], split: str) -> str:
    """How many images are scored: "389 test images"; of each task, where they differ or there is none yet."""
    if len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,} {split} images"
    each = ", ".join(f"{n:,} of {task}" for task, n in counts.items())
    return f"{split} images ({each})" if each else f"{split} images"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value:+.3f}".replace("-", "−")


def interval(mean: float, low: float | None, high: float | None) -> str:
    """A difference with the ends of its interval, where it has one."""
    return signed(mean) if low is None or high is None else f"{signed(mean)} [{signed(low)}, {signed(high)}]"


def asked_and_implied(questions: Sequence[float] | None) -> str:
    """Questions as they are read: "300 + 631", and "300 + 631 / 214" with the images that are placed."""
    if questions is None:
        return NOT_RUN
    asked, implied, *placed = questions
    if not asked:
        return "none"
    return " / ".join([f"{asked:.0f} + {implied:.0f}", *(count(images) for images in placed)])


def count(value: float | None) -> str:
    """A mean number of things."""
    if value is None or math.isnan(value):
        return NO_VALUE
    return f"{value:.1f}".removesuffix(".0")


def duration(seconds: float | None) -> str:
    """Seconds as they are read."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
