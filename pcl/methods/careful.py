"""Careful placing, our own method: labels that are believed, not closed, spread along a graph of neighbours."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from pcl import beliefs, propagation, ridge
from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.methods import base
from pcl.neighbourhoods import Neighbourhoods
from pcl.strategies.base import Choice


class CarefulSettings(base.LearnerSettings):
    """Settings of careful placing.

    Attributes:
        neighbours: of the graph.
        alpha: how far a label reaches in it.
        ridge: penalty of the regression that has half of the say; null: the graph has all of it.
        ridge_from: placed images per cluster from which on it has; a few tell a graph more.
    """

    strategy: base.Chosen | None = Choice.of("careful")
    neighbours: PositiveInt = 5
    alpha: Annotated[float, Interval(gt=0, lt=1)] = 0.9
    ridge: PositiveFloat | None = 0.3
    ridge_from: PositiveInt = 15


class Method(base.Learner):
    """Believes the labels that the fewest answers speak against, and spreads them over all images.

    Source: ours (2026). Spreading: Zhou et al., NeurIPS 2004; placing: Basu et al., SDM 2004; typical images: Hacohen
    et al., ICML 2022. docs/methods/careful.md says what was tried, and on which tasks.
    """

    version = 2
    finds_clusters = True
    Settings = CarefulSettings
    settings: CarefulSettings

    def constraints(self, images: int) -> Constraints:
        """Nothing follows from an answer: another one may speak against it."""
        return Constraints(images, closure="none")

    def placed(self, known: Known) -> Neighbourhoods:
        """The labels to believe."""
        return beliefs.settled(known.answers, self.given).neighbourhoods()

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """The mean of each label's share along the graph and of what regression expects."""
        placed = self.neighbourhoods(known)
        clusters = self.width(placed)
        spread = self._spread(inputs, placed, clusters)
        if self.settings.ridge is None or len(placed.images) < self.settings.ridge_from * clusters:
            return spread
        expected = ridge.probabilities(inputs, placed.images, placed.which, clusters, self.settings.ridge)
        return {split: (share + expected[split]) * np.float32(0.5) for split, share in spread.items()}

    @cached_property
    def _spread(self) -> propagation.Spreader:
        return propagation.Spreader(self.settings.neighbours, self.settings.alpha, balanced=False)
