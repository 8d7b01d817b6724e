"""Places typical images first, and then those that the learner is least sure of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from pcl.config import Strict
from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class MarginSettings(Strict):
    """Settings of margins.

    Attributes:
        typical: images per cluster that are placed by `typical` before anything else.
        pool: margins are compared among so many times the images of a round.
        neighbours: of typicality.
    """

    typical: NonNegativeInt = 10
    pool: PositiveInt = 5
    neighbours: PositiveInt = 20


class Strategy(placing.Placing):
    """The smallest difference of the two largest probabilities, spread over the k-means groups of the least sure.

    Source: margin sampling, Scheffer, Decomain and Wrobel, IDA 2001; diversity by clustering the least sure, Zhdanov,
    "Diverse mini-batch active learning", 2019.
    """

    version = 1
    Settings = MarginSettings
    settings: MarginSettings

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """Typical ones, then unsure ones."""
        done = len(view.features) - int(placed.free.sum())
        if not placed.complete or done < self.settings.typical * (view.clusters or len(placed.groups)):
            yield from placing.typical(view, placed, count, self.settings.neighbours)
            return
        yield from placing.unsure(view, placed, count, self.settings.pool)

    def order(self, placed: placing.Placed, image: int) -> list[int]:
        """By what the learner holds for likeliest, once it knows every cluster."""
        known = placed.view.neighbourhoods
        found = placing.all_found(np.bincount(known.which).tolist(), placed.view.clusters)
        return placed.likeliest_first(image) if found else placed.nearest_first(image)
