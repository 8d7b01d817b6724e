"""How arms look, the same in every figure and on the page."""

from __future__ import annotations

from typing import NamedTuple

from pcl.config import Config

# seaborn's "colorblind" palette, the strongest colours first.
COLOURS = (
    *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
    *("#ca9161", "#56b4e9", "#949494", "#ece133", "#fbafe4"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class ArmStyle(NamedTuple):
    """How an arm looks in every figure."""

    colour: str
    marker: str


def arm_styles(config: Config) -> dict[str, ArmStyle]:
    """A fixed look for every arm that a figure compares with others."""
    arms = dict.fromkeys(arm for figure in config.every_figure.values() for arm in figure.compared)
    return {arm: ArmStyle(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, arm in enumerate(arms)}
