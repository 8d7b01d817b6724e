"""COBRA's own labels: super-instances merged as the answers say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcl import seed as seeds
from pcl.engine.known import Known
from pcl.engine.rounds import STAGE
from pcl.methods import base
from pcl.neighbourhoods import distances
from pcl.strategies.base import Choice
from pcl.strategies.super_instances import how_many, super_instances


class COBRALabels(base.LearnerSettings):
    """Settings of COBRA, whose strategy is its own."""

    strategy: base.Chosen | None = Choice.of("cobra")


class Method(base.Learner):
    """Every image is in the cluster of its super-instance's medoid; a new one in that of the nearest medoid.

    Source: van Craenendonck, Dumancic and Blockeel, IJCAI 2017; edahelsinki/codac@bce4e51 for the number of groups.
    Differs: medoids about which the answers do not tell enough, where the budget ended early, go with the nearest
    image that has a cluster; so there are K clusters at most, which COBRA alone would not promise.
    """

    version = 1
    finds_clusters = True
    Settings = COBRALabels
    settings: COBRALabels

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments."""
        placed, rows = self.neighbourhoods(known), inputs["train"]
        choice = self.settings.strategy
        given = choice.settings["super_instances"] if choice is not None and choice.name == "cobra" else None
        groups = super_instances(
            rows, how_many(given, known.budget, self.width(placed)), seeds.derive(seed, "strategy", STAGE)
        )
        of_medoid = placed.which[distances(rows[groups.medoid], rows[placed.images]).argmin(1)]
        one_hot = np.eye(self.width(placed), dtype=np.float32)
        found = {"train": of_medoid[groups.group]}
        for split, others in inputs.items():
            if split != "train":
                found[split] = of_medoid[distances(others, rows[groups.medoid]).argmin(1)]
        return {split: one_hot[labels] for split, labels in found.items()}
