"""Places the images that bring most others near to a placed one."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import PositiveInt

from pcl.config import Strict
from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class CoverageSettings(Strict):
    """Settings of coverage: how many images are drawn to choose from, and how many to count the gain over."""

    candidates: PositiveInt = 1000
    counted: PositiveInt = 10_000


class Strategy(placing.Placing):
    """The largest gain Σ_j max(0, d_j − ‖z_j − z_i‖), d_j the distance of image j to its nearest placed image.

    Source: the coverage of edahelsinki/codac@bce4e51; Yehuda et al., "Active learning through a covering lens"
    (ProbCover), NeurIPS 2022, for the idea.
    Differs: gains are counted over a sample, so that nothing is N × N.
    """

    version = 1
    Settings = CoverageSettings
    settings: CoverageSettings

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """One after another, each with the largest gain after those before it."""
        return placing.covering(view, placed, count, self.settings.candidates, self.settings.counted)
