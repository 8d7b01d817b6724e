"""k-means on a representation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import seed as seeds
from pcl.config import Strict
from pcl.engine.known import Known
from pcl.methods import base


class KMeansSettings(Strict):
    """Settings of k-means."""

    starts: PositiveInt = 20


class Method(base.FrozenMethod):
    """k-means fitted to the training images; a test image goes to its nearest centre.

    Source: MacQueen 1967; scikit-learn's KMeans.
    """

    version = 1
    supervised = False
    Settings = KMeansSettings
    settings: KMeansSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments from the best of several starts."""
        from sklearn.cluster import KMeans

        state = seeds.derive(seed, "kmeans") % 2**32
        model = KMeans(self.clusters, n_init=self.settings.starts, random_state=state).fit(inputs["train"])
        one_hot = np.eye(self.clusters, dtype=np.float32)
        return {split: one_hot[model.predict(rows)] for split, rows in inputs.items()}
