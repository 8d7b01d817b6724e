"""A softmax over clusters, trained on answered pairs and on nothing else."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from pcl import losses, networks
from pcl import seed as seeds
from pcl.constraints import Closure
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.methods import pairwise


class VanillaSettings(pairwise.PairSettings):
    """Settings of the network on pairs."""

    hidden: tuple[PositiveInt, ...] = (512, 512)
    closure: Closure = "full"
    least_epochs: NonNegativeInt = 30


class Method(pairwise.PairLearner):
    """Dense layers and a softmax; two images share a cluster with probability p·p, held against the answers.

    Source: the VanillaDCC of SpherePair, NeurIPS 2025, arXiv 2510.06907; Hsu et al., ICLR 2019, for the loss.
    """

    version = 1
    Settings = VanillaSettings
    settings: VanillaSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"closure": "none", "pairs_per_epoch": None, "least_epochs": 100}
    }

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """The softmax.

        Raises:
            UserError: no pair is known, so that there is nothing to train on.
        """
        import torch

        if not known.constraints.asked:
            raise UserError("no pair of images has an answer; a budget of 1 question or more is needed")
        rows = self.scaled(inputs)
        train = rows["train"]
        with seeds.global_torch(seed, "vanilla", "weights"):
            network = networks.dense.layers([train.shape[1], *self.settings.hidden, self.clusters])

        def loss(pairs: torch.Tensor, same: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
            return losses.pairs.pair_loss(network(train[pairs.T.flatten()]).softmax(1), same)

        self.fit(network, known, seed, loss)
        with torch.no_grad():
            return {split: network(own).softmax(1).numpy() for split, own in rows.items()}
