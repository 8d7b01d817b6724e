"""Places the image that tells most for each question that placing it is expected to take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import PositiveInt

from pcl.config import Strict
from pcl.strategies import placing
from pcl.strategies.base import FeatureView


class NPUSettings(Strict):
    """Settings of the normalised uncertainty: `trees` of the forest that tells which images are alike."""

    trees: PositiveInt = 50


class Strategy(placing.Placing):
    """The largest H(p) / Σ_r r·p_(r): the uncertainty of an image's neighbourhood over the questions that end it.

    p is the mean similarity to the members of every neighbourhood, the similarity of two images the share of trees of
    a random forest in which they fall into the same leaf.

    Source: Xiong, Azimi and Fern, "Active learning of constraints for semi-supervised clustering", TKDE 2014.
    Differs: a round places several images before the forest is grown anew.
    """

    version = 1
    Settings = NPUSettings
    settings: NPUSettings

    def images(self, view: FeatureView, placed: placing.Placed, count: int) -> Iterator[int]:
        """Farthest ones until two neighbourhoods are known, then the most telling ones."""
        if view.neighbourhoods.count < 2:
            yield from placing.farthest(view, placed, count)
            return
        p = np.sort(self._similarity(view), axis=1)[:, ::-1]
        entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(1)
        questions = p @ np.arange(1, p.shape[1] + 1)
        gain = np.where(placed.free, entropy / questions, -np.inf)
        yield from np.argsort(-gain, kind="stable")[: min(count, int(placed.free.sum()))].tolist()

    def _similarity(self, view: FeatureView) -> np.ndarray:
        """p [N, G]."""
        from sklearn.ensemble import RandomForestClassifier

        known = view.neighbourhoods
        state = int(view.rng("npu").integers(2**32))
        forest = RandomForestClassifier(self.settings.trees, random_state=state)
        leaves = forest.fit(view.features[known.images], known.which).apply(view.features)
        alike = np.zeros((len(view.features), known.count))
        share = 1 / np.bincount(known.which, minlength=known.count)
        for own in leaves.T:  # a tree
            inside = np.zeros((own.max() + 1, known.count))
            np.add.at(inside, (own[known.images], known.which), share[known.which])
            alike += inside[own]
        return alike / alike.sum(1, keepdims=True)
