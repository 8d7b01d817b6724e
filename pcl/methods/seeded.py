"""k-means that begins at the means of the known neighbourhoods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import seed as seeds
from pcl.engine.known import Known
from pcl.methods import base
from pcl.neighbourhoods import Neighbourhoods, distances


class SeededSettings(base.LearnerSettings):
    """Settings of seeded k-means: `constrained` keeps placed images in place, `iterations` bounds Lloyd's loop."""

    constrained: bool = True
    iterations: PositiveInt = 300


class Method(base.Learner):
    """Seeded k-means; constrained, placed images never leave their cluster.

    Source: Basu, Banerjee and Mooney, "Semi-supervised clustering by seeding", ICML 2002.
    """

    version = 1
    finds_clusters = True
    Settings = SeededSettings
    settings: SeededSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments to the nearest centre."""
        placed, rows = self.neighbourhoods(known), inputs["train"]
        centres = self._start(rows, placed, seed)
        labels = np.full(len(rows), -1)
        for _ in range(self.settings.iterations):
            found = distances(rows, centres).argmin(1)
            if self.settings.constrained:
                found[placed.images] = placed.which
            if (found == labels).all():
                break
            labels = found
            weights = np.eye(len(centres))[labels]
            size = weights.sum(0)[:, None]
            centres = np.where(size, weights.T @ rows / np.maximum(size, 1), centres)
        one_hot = np.eye(len(centres), dtype=np.float32)
        others = {split: distances(own, centres).argmin(1) for split, own in inputs.items() if split != "train"}
        return {split: one_hot[own] for split, own in ({"train": labels} | others).items()}

    def _start(self, rows: NDArray[np.float32], placed: Neighbourhoods, seed: int) -> NDArray[np.float64]:
        """The means of the neighbourhoods, and images drawn at random for clusters that have none."""
        means = [rows[members].mean(0, dtype=np.float64) for members in placed.members()]
        rng = seeds.numpy_generator(seed, "seeded")
        return np.array(means + [rows[i] for i in rng.permutation(len(rows))[: self.width(placed) - placed.count]])
