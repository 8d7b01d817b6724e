"""Labels of placed images spread along a graph of nearest neighbours."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import propagation
from pcl.engine.known import Known
from pcl.methods import base


class PropagationSettings(base.LearnerSettings):
    """Settings of the spreading.

    Attributes:
        neighbours: k of the graph.
        alpha: how far a label reaches.
        balanced: every cluster sends out as much, however many of its images are placed.
    """

    neighbours: PositiveInt = 10
    alpha: Annotated[float, Interval(gt=0, lt=1)] = 0.99
    balanced: bool = True


class Method(base.Learner):
    """Label spreading over all training images; another image takes the mean of its neighbours.

    Source: Zhou et al., "Learning with local and global consistency", NeurIPS 2004.
    Differs: the graph has k neighbours and self-tuned weights, and seeds are balanced.
    """

    version = 1
    finds_clusters = True
    Settings = PropagationSettings
    settings: PropagationSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """Where each label's share is largest."""
        placed = self.neighbourhoods(known)
        return self._spread(inputs, placed, self.width(placed))

    @cached_property
    def _spread(self) -> propagation.Spreader:
        s = self.settings
        return propagation.Spreader(s.neighbours, s.alpha, balanced=s.balanced)
