"""The state of one training run, and the batches it is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from pcl import seed as seeds
from pcl.constraints import Constraints
from pcl.engine import augment, device
from pcl.methods.base import DeepSettings, Stage
from pcl.oracles.log import Answer
from pcl.types import Bool, Float, Tensor, UInt8

Kind = Literal["images", "must", "cannot"]


@dataclass
class Batch:
    """Images on their way through one step.

    `index` holds positions in the training split. In a batch of kind "must" or "cannot" its first half is linked,
    one by one, to its second half. `views` are random views [B, C, S, S], `images` the pictures as they are; one of
    the two is there. `generator` is the source of whatever else a method draws in this step. The link matrices
    [B, B] say what is known when the loss is computed.
    """

    kind: Kind
    index: np.ndarray
    stage: str
    generator: torch.Generator
    views: list[Float[Tensor, "B C S S"]] = field(default_factory=list)
    images: Float[Tensor, "B C S S"] = field(init=False)
    must: Bool[Tensor, "B B"] = field(init=False)
    cannot: Bool[Tensor, "B B"] = field(init=False)
    pseudo: Bool[Tensor, "B B"] = field(init=False)


@dataclass
class Session:
    """Everything a run carries from step to step.

    It holds no label: answers come from outside, through the loop. `state` is what a method keeps between epochs;
    it is saved with the network, the optimiser, the answers and the history in every checkpoint.
    """

    seed: int
    settings: DeepSettings
    images: dict[str, UInt8[Tensor, "N C H W"]]
    network: nn.ModuleDict
    device: torch.device
    budget: int
    constraints: Constraints
    answers: list[Answer] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    spent: int = 0
    unsure_pairs: list[tuple[int, int]] = field(default_factory=list)
    pseudo_links: list[tuple[int, int]] = field(default_factory=list)
    targets: Tensor | None = None
    epoch: int = 0
    stage: Stage = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    @property
    def size(self) -> int:
        """N, the number of training images."""
        return len(self.images["train"])

    @property
    def remaining(self) -> int:
        """Questions left in the budget."""
        return self.budget - self.spent

    def pixels(self, index: np.ndarray, split: str = "train") -> UInt8[Tensor, "B C H W"]:
        """The stored images at some positions, on the device."""
        rows = torch.from_numpy(np.ascontiguousarray(index))
        chosen = self.images[split][rows.to(self.images[split].device)].to(self.device)
        return chosen.contiguous(memory_format=device.memory_format(self.device))

    def plain(self, index: np.ndarray, split: str = "train") -> Float[Tensor, "B C S S"]:
        """Images as they are, at the network's size."""
        return augment.plain(self.pixels(index, split), self.settings.image_size, self.settings.augmentation)

    def batch(self, kind: Kind, index: np.ndarray, step: int) -> Batch:
        """The images at some positions: random views, or as they are where the stage makes no views."""
        stage, where = self.stage, (self.epoch, step)
        streams = (
            seeds.torch_generator(self.seed, stage.name, use, *where, device=self.device.type)
            for use in ("augment", "method")
        )
        views, method = streams
        batch = Batch(kind, index, stage.name, method)
        if not stage.views or kind != "images":
            batch.images = self.plain(index)
            return batch
        pixels = self.pixels(index)
        size, recipe = self.settings.image_size, self.settings.augmentation
        batch.views = [augment.view(pixels, size, recipe, views) for _ in range(stage.views)]
        return batch

    def record(self, answer: Answer) -> None:
        """Add an answer to the log and draw its consequences; "unsure" costs nothing and says nothing.

        Raises:
            Contradiction: earlier answers imply the opposite.
        """
        if answer.same is None:
            self.unsure_pairs.append((answer.i, answer.j))
        if answer.i != answer.j:
            self.constraints.add(answer.i, answer.j, answer.same)
        self.answers.append(answer)
        self.spent += answer.same is not None

    def target(self, index: np.ndarray) -> Tensor:
        """The rows of the whole set's targets, on the device."""
        assert self.targets is not None, "a method that reads targets sets them at the start of every epoch"
        return self.targets[torch.from_numpy(index)].to(self.device)

    def link(self, batch: Batch) -> None:
        """Write what is known about the batch's pairs into its link matrices."""
        links = self.constraints.links(batch.index)
        batch.must, batch.cannot = (torch.from_numpy(m).to(self.device) for m in (links.must, links.cannot))
        batch.pseudo = self._pairs_among(self.pseudo_links, batch.index) & ~(batch.must | batch.cannot)

    def unsure(self, index: np.ndarray) -> Bool[Tensor, "B B"]:
        """Pairs of a batch that were answered "not sure": they are not asked again."""
        return self._pairs_among(self.unsure_pairs, index)

    def _pairs_among(self, pairs: list[tuple[int, int]], index: np.ndarray) -> Bool[Tensor, "B B"]:
        matrix = torch.zeros(len(index), len(index), dtype=torch.bool, device=self.device)
        if pairs:
            place = np.full(self.size, -1)
            place[index] = np.arange(len(index))
            rows = place[np.array(pairs)]
            a, b = torch.from_numpy(rows[(rows >= 0).all(1)]).T
            matrix[a, b] = matrix[b, a] = True
        return matrix

    def batches(self) -> Iterator[Batch]:
        """The batches of this epoch, in order."""
        for step, (kind, index) in enumerate(self._members()):
            yield self.batch(kind, index, step)

    def _members(self) -> Iterator[tuple[Kind, np.ndarray]]:
        stage = self.stage
        order = self.fixed_order() if stage.batches == "fixed" else self._shuffled("images", self.size)
        for index in chunks(order, stage.batch_size):
            yield "images", index
        if stage.batches == "pairs":
            kinds: tuple[Kind, Kind] = ("must", "cannot")
            for kind, pairs in zip(kinds, self.constraints.pairs(), strict=True):
                if stage.max_pairs is not None and len(pairs) > stage.max_pairs:
                    kept = seeds.numpy_generator(self.seed, "kept", kind).permutation(len(pairs))
                    pairs = pairs[kept[: stage.max_pairs]]
                for rows in chunks(self._shuffled(kind, len(pairs)), stage.batch_size):
                    yield kind, pairs[rows].T.flatten()

    def fixed_order(self) -> np.ndarray:
        """Training images in the order that fixes the members of every batch for the whole run."""
        return seeds.numpy_generator(self.seed, "batches").permutation(self.size)

    def sweep(
        self, function: Callable[[nn.ModuleDict, Tensor], Tensor], split: str = "train"
    ) -> Float[Tensor, "N _"]:
        """A function of network and images over a whole split, in evaluation mode, on the CPU.

        Batches follow the order of the data set, the last one shorter, because a network with attention between
        images answers differently in other company.
        """
        training = self.network.training
        self.network.eval()
        with torch.inference_mode(), device.autocast(self.device):
            order = np.arange(len(self.images[split]))
            size = self.settings.batch_size
            parts = [order[i : i + size] for i in range(0, len(order), size)]
            rows = [function(self.network, self.plain(part, split)).float().cpu() for part in parts]
        self.network.train(training)
        return torch.cat(rows)

    def _shuffled(self, what: str, count: int) -> np.ndarray:
        name = self.stage.name
        return seeds.numpy_generator(self.seed, name, "order", what, self.epoch).permutation(count)


def chunks(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Consecutive pieces; a last piece of one is left out, since batch statistics need two rows."""
    for start in range(0, len(order), size):
        piece = order[start : start + size]
        if len(piece) > 1 or len(order) == 1:
            yield piece
