"""What learners have in common that train a small network of dense layers on answered pairs of representations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from pcl import seed as seeds
from pcl.constraints import Closure, Constraints
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

STEADY, CHANGE = 5, 0.1  # training ends after so many epochs in a row whose loss has changed by a smaller share


class PairSettings(base.LearnerSettings):
    """Settings of training on pairs.

    Attributes:
        hidden: widths of the hidden layers.
        epochs: passes over the pairs, at most.
        pairs_per_epoch: as many are drawn for a pass where there are more; null: all of them.
        least_epochs: passes before training may end because the loss is steady.
        lr: of Adam.
        batch_size: pairs in a step, at most.
        closure: "none" trains on the asked pairs, "full" on what follows from them too.
    """

    hidden: tuple[PositiveInt, ...]
    epochs: PositiveInt = 300
    pairs_per_epoch: PositiveInt | None = 2048
    least_epochs: NonNegativeInt = 100
    lr: PositiveFloat = 1e-3
    batch_size: PositiveInt = 256
    closure: Closure = "none"


class PairLearner(base.Learner):
    """A learner whose network is trained on pairs; it knows of clusters what the pairs say, and nothing else."""

    settings: PairSettings

    def constraints(self, images: int) -> Constraints:
        """Nothing known yet; what follows from an answer is as the settings say."""
        return Constraints(images, closure=self.settings.closure)

    def scaled(self, inputs: dict[str, NDArray[np.float32]]) -> dict[str, Tensor]:
        """The rows of every split, moved and scaled as a whole: the training rows have mean 0, and variance 1."""
        import torch

        train = np.asarray(inputs["train"], np.float64)
        middle, scale = train.mean(0), math.sqrt(train.var(0).mean())
        return {
            split: torch.from_numpy(((rows - middle) / scale).astype(np.float32)) for split, rows in inputs.items()
        }

    def fit(
        self,
        network: nn.Module,
        known: Known,
        seed: int,
        loss: Callable[[Tensor, Tensor, Tensor], Tensor],
        images: int = 0,
        at_once: int = 1024,
    ) -> None:
        """Train a network, in passes over the pairs and all images.

        Source: the stop rule is that of SpherePair, NeurIPS 2025.

        Args:
            network: is trained in place.
            known: has the pairs.
            seed: of the run.
            loss: of some pairs [P, 2], whether each is a must-link [P], and some images [B].
            images: how many there are to learn from without answers.
            at_once: of these in a step, at most.

        Raises:
            UserError: the loss is not a number.
        """
        import torch

        s = self.settings
        must, cannot = (torch.from_numpy(found) for found in known.constraints.pairs())
        pairs, same = torch.cat([must, cannot]), torch.arange(len(must) + len(cannot)) < len(must)
        seen = min(len(pairs), s.pairs_per_epoch or len(pairs))
        steps = max(math.ceil(seen / s.batch_size), math.ceil(images / at_once))
        generator = seeds.torch_generator(seed, "pairs")
        optimizer = torch.optim.Adam(network.parameters(), lr=s.lr, fused=True)
        last, steady = math.inf, 0
        for epoch in range(1, s.epochs + 1):
            total = 0.0
            few = torch.randperm(len(pairs), generator=generator)[:seen].tensor_split(steps)
            some = torch.randperm(images, generator=generator).tensor_split(steps)
            for chosen, others in zip(few, some, strict=True):
                value = loss(pairs[chosen], same[chosen], others)
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                total += value.item()
            if not math.isfinite(total):
                raise UserError(f"epoch {epoch}: the loss is not a number; lower lr for this arm")
            steady = steady + 1 if abs(last - total) < CHANGE * abs(last) else 0
            last = total
            if epoch >= s.least_epochs and steady >= STEADY:
                return
