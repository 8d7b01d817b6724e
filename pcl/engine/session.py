"""The state of one training run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pcl import seed as seeds
from pcl.constraints import Bools
from pcl.engine.images import Inputs
from pcl.engine.known import Known
from pcl.engine.sampler import Batch, Members, Sampler
from pcl.engine.stage import Recipe, Stage
from pcl.types import Bool, Float, Tensor

SEEN = "seen"
"""Where a session's state has what `remember` keeps."""


@dataclass
class Session:
    """Everything a run carries from step to step.

    It holds no label: answers come from outside, through the loop. `state` is what a method keeps between epochs;
    it is saved with the network, the optimiser, the answers and the history in every checkpoint. `features` is the
    representation [N, D] that a strategy looks at, if it does.
    """

    seed: int
    images: Inputs
    network: nn.ModuleDict
    known: Known
    history: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    epoch: int = 0
    clusters: int = 0
    features: NDArray[np.float32] | None = None
    stage: Stage = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    @property
    def size(self) -> int:
        """N, the number of training images."""
        return self.images.size()

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.images.device

    @property
    def sampler(self) -> Sampler:
        """Who draws the members of batches."""
        return Sampler(self.seed, self.size)

    def view(self, index: np.ndarray, recipe: Recipe, generator: torch.Generator) -> Float[Tensor, "B ..."]:
        """One random view of each of some training images."""
        return self.images.view(index, recipe, generator)

    def predict(
        self,
        function: Callable[[nn.ModuleDict, Tensor], Tensor],
        split: str = "train",
        index: np.ndarray | None = None,
    ) -> Float[Tensor, "N _"]:
        """A function of network and unaugmented images over a whole split, or some of it (`Images.predict`)."""
        return self.images.predict(self.network, function, split, index)

    def batches(self) -> Iterator[Batch]:
        """The batches of this epoch, in order."""
        members = self.sampler.epoch(self.stage, self.epoch, self.known.constraints)
        for step, piece in enumerate(members):
            yield self.batch(piece, step, len(members))

    def batch(self, members: Members, step: int, steps: int) -> Batch:
        """The images of a batch: random views, or unaugmented where the stage makes no views and in pairs."""
        stage, where = self.stage, (self.epoch, step)
        views, method = (
            seeds.torch_generator(self.seed, stage.name, use, *where, device=self.device.type)
            for use in ("augment", "method")
        )
        batch = Batch(members.kind, members.index, stage.name, self.epoch, step, steps, method)
        if members.same is not None:
            batch.same = torch.from_numpy(members.same).to(self.device)
        if members.kind != "images" or not stage.batches.views:
            batch.images = self.images.unaugmented(members.index)
        else:
            batch.views = [self.view(members.index, recipe, views) for recipe in stage.batches.views]
        return batch

    def add_pairs(self, batch: Batch) -> None:
        """Put an equal share of the known pairs beside a batch of images, in an order drawn every epoch.

        `more["pairs"]` holds the first images and then the second ones [2P, C, S, S], `same` [P] the must-links.
        """
        place = (self.epoch, batch.step, batch.steps)
        pairs, same = self.sampler.share(self.stage, *place, self.known.constraints)
        if len(pairs):
            batch.more["pairs"] = self.images.unaugmented(pairs.T.flatten())
            batch.same = torch.from_numpy(same).to(self.device)

    def link(self, batch: Batch) -> None:
        """Write what is known about the batch's pairs into its link matrices."""
        batch.must, batch.cannot = self.links(batch.index)
        supposed = self._here(self.known.pairs_among(self.known.pseudo_links, batch.index))
        batch.pseudo = supposed & ~(batch.must | batch.cannot)

    def remember(self, index: np.ndarray, views: Float[Tensor, "V B M"]) -> Float[Tensor, "V B M"] | None:
        """The views of some images as they were when this was last called for them, in whose place these are kept.

        Zeros for an image that is new, None in the first epoch of a stage.
        """
        shape = self.size, len(views), views.shape[2]
        if self.epoch == 0 and (SEEN not in self.state or self.state[SEEN].shape != shape):
            self.state[SEEN] = views.new_zeros(shape)
        kept, rows = self.state[SEEN], torch.from_numpy(index).to(views.device)
        before = kept[rows].transpose(0, 1) if self.epoch else None
        kept[rows] = views.transpose(0, 1)
        return before

    def links(self, index: np.ndarray) -> tuple[Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
        """The known must-links and cannot-links among some training images, on the device."""
        links = self.known.links(index)
        return self._here(links.must), self._here(links.cannot)

    def unsure(self, index: np.ndarray) -> Bool[Tensor, "B B"]:
        """Pairs of some images that were answered "not sure"."""
        return self._here(self.known.pairs_among(self.known.unsure, index))

    def _here(self, matrix: Bools) -> Bool[Tensor, "B B"]:
        return torch.from_numpy(matrix).to(self.device)
