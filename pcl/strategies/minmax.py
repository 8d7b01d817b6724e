"""Places the image that resembles the placed ones least."""

from __future__ import annotations

from collections.abc import Iterator

from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class Strategy(placing.Placing):
    """Explores to the end: next is the image whose largest similarity to placed ones is smallest.

    Source: Mallapragada, Jin and Jain, "Active query selection for semi-supervised clustering", ICPR 2008.
    Differs: similarity is any that falls with distance, so that the rule has no setting.
    """

    version = 1

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """Farthest first."""
        return placing.farthest(view, placed, count)
