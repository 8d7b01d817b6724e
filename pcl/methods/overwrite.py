"""Writes the answers into another arm's clusters and learns nothing: a control."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pcl import seed as seeds
from pcl.assignment import assign
from pcl.config import Strict
from pcl.engine.known import Known
from pcl.methods import base


class OverwriteSettings(Strict):
    """Settings of the overwriting: `moves` bounds the repair of violations (K > 2)."""

    moves: PositiveInt = 50


class Method(base.FrozenMethod):
    """The clusters of another arm, those of the answered training images corrected by the answers alone.

    Scores on training images include the images that were asked about. What this control scores above its source is
    what writing the answers down is worth; only the rest of another method's gain was learned. On test images it
    gains nothing, by construction: nobody is asked about them. Ties are broken by lot.

    Source: the corrected scores that IDC (interactive deep clustering, NeurIPS 2024) prints,
    XLearning-SCU/2024-NeurIPS-IDC@40d6c40, cluster.py.
    Differs: there the answered images get their true class. Pairs name no class: here they change as few images'
    clusters as must-links and cannot-links allow.
    """

    version = 1
    supervised = True
    Settings = OverwriteSettings
    settings: OverwriteSettings
    reads: ClassVar[Literal["features", "clusters"]] = "clusters"

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments that change as few training images as the answers allow, and no test image."""
        ids = known.constraints.component_ids()
        votes = np.zeros((ids.max() + 1, self.clusters))
        np.add.at(votes, ids, inputs["train"])
        rng = seeds.numpy_generator(seed, "overwrite")
        lot = rng.random(votes.shape) / len(votes)  # breaks ties; all together it is less than one image
        changed = votes.sum(axis=1, keepdims=True) - votes
        labels, _ = assign(changed + lot, known.constraints.cannot_edges(), rng, self.settings.moves)
        return inputs | {"train": np.eye(self.clusters, dtype=np.float32)[labels[ids]]}
