"""Places the most typical image of every region that nobody has been asked about."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import PositiveInt

from pcl.config import Strict
from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class TypicalSettings(Strict):
    """Settings of typical images: how many `neighbours` typicality looks at."""

    neighbours: PositiveInt = 20


class Strategy(placing.Placing):
    """Groups all images anew in every round, and places the most typical one of each large group without any.

    Source: TypiClust, Hacohen, Dekel and Weinshall, "Active learning on a budget", ICML 2022.
    Differs: no bound on the number of groups; it gives images for placing, not for labels.
    """

    version = 1
    Settings = TypicalSettings
    settings: TypicalSettings

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """Typical ones."""
        return placing.typical(view, placed, count, self.settings.neighbours)
