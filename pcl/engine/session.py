"""The state of one training run, and the batches it is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from pcl import seed as seeds
from pcl.constraints import Constraints
from pcl.engine import augment, device, strong
from pcl.methods.base import DeepSettings, Kind, Recipe, Stage
from pcl.oracles.log import Answer
from pcl.types import Bool, Float, Int64, Tensor, UInt8

VIEWS = {"standard": augment.view, "weak": strong.weak, "strong": strong.strong}


@dataclass
class Batch:
    """Images on their way through one step.

    `index` holds positions in the training split. In a batch of kind "pairs", "must" or "cannot" its first half is
    linked, one by one, to its second half; `same` [P] says how. `views` are random views [B, C, S, S], `images` the
    pictures as they are; one of the two is there. `more` is what the method adds in `prepare`. `generator` is the
    source of whatever else a method draws in this step. The link matrices [B, B] say what is known when the loss is
    computed.
    """

    kind: Kind
    index: np.ndarray
    stage: str
    epoch: int
    step: int
    steps: int
    generator: torch.Generator
    views: list[Float[Tensor, "B C S S"]] = field(default_factory=list)
    more: dict[str, Tensor] = field(default_factory=dict)
    images: Float[Tensor, "B C S S"] = field(init=False)
    same: Bool[Tensor, " P"] = field(init=False)
    must: Bool[Tensor, "B B"] = field(init=False)
    cannot: Bool[Tensor, "B B"] = field(init=False)
    pseudo: Bool[Tensor, "B B"] = field(init=False)

    @property
    def rows(self) -> Int64[Tensor, " B"]:
        """`index` as a tensor."""
        return torch.from_numpy(np.ascontiguousarray(self.index))

    @property
    def time(self) -> float:
        """Epochs of the stage that are over, in fractions of one."""
        return self.epoch + self.step / self.steps


@dataclass(frozen=True)
class Members:
    """Who is in a batch: positions in the training split; of pairs, all first images, then all second ones."""

    kind: Kind
    index: np.ndarray
    same: np.ndarray | None = None


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
        return chosen.contiguous(memory_format=device.MEMORY_FORMAT)

    def plain(self, index: np.ndarray, split: str = "train") -> Float[Tensor, "B C S S"]:
        """Images as they are, at the network's size."""
        return augment.plain(self.pixels(index, split), self.settings.image_size, self.settings.augmentation)

    def view(self, index: np.ndarray, recipe: Recipe, generator: torch.Generator) -> Float[Tensor, "B C S S"]:
        """One random view of each of some training images."""
        size, augmentation = self.settings.image_size, self.settings.augmentation
        return VIEWS[recipe](self.pixels(index), size, augmentation, generator)

    def batch(self, members: Members, step: int, steps: int) -> Batch:
        """The images of a batch: random views, or as they are where the stage makes no views and in pairs."""
        stage, where = self.stage, (self.epoch, step)
        views, method = (
            seeds.torch_generator(self.seed, stage.name, use, *where, device=self.device.type)
            for use in ("augment", "method")
        )
        batch = Batch(members.kind, members.index, stage.name, self.epoch, step, steps, method)
        if members.same is not None:
            batch.same = torch.from_numpy(members.same).to(self.device)
        if members.kind != "images" or not stage.views:
            batch.images = self.plain(members.index)
        else:
            batch.views = [self.view(members.index, recipe, views) for recipe in stage.views]
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
        batch.must, batch.cannot = self.links(batch.index)
        batch.pseudo = self._pairs_among(self.pseudo_links, batch.index) & ~(batch.must | batch.cannot)

    def links(self, index: np.ndarray) -> tuple[Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
        """The known must-links and cannot-links among some training images."""
        links = self.constraints.links(index)
        return torch.from_numpy(links.must).to(self.device), torch.from_numpy(links.cannot).to(self.device)

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
        members = [piece for kind in self.stage.streams for piece in self._members(kind)]
        for step, piece in enumerate(members):
            yield self.batch(piece, step, len(members))

    def _members(self, kind: Kind) -> Iterator[Members]:
        size = self.stage.batch_size
        if kind == "images":
            order = self.fixed_order() if self.stage.fixed else self._shuffled("images", self.size)
            yield from (Members(kind, index) for index in chunks(order, size))
            return
        pairs, same = self.known_pairs(kind)
        order = self._shuffled(kind, len(pairs))
        # As many images as in a batch of images where both kinds mix; the released DCC counts pairs.
        for rows in chunks(order, size // 2 if kind == "pairs" else size, least=1):
            yield Members(kind, pairs[rows].T.flatten(), same[rows])

    def add_pairs(self, batch: Batch) -> None:
        """Put an equal share of the known pairs beside a batch of images, in an order drawn every epoch.

        `more["pairs"]` holds the first images and then the second ones [2P, C, S, S], `same` [P] the must-links.
        """
        pairs, same = self.known_pairs("pairs")
        rows = np.array_split(self._shuffled("pairs", len(pairs)), batch.steps)[batch.step]
        if len(rows):
            batch.more["pairs"] = self.plain(pairs[rows].T.flatten())
            batch.same = torch.from_numpy(same[rows]).to(self.device)

    def known_pairs(self, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
        """Pairs [P, 2] that are trained on, and whether each is a must-link [P]."""
        kept = []
        for name, pairs in zip(("must", "cannot"), self.constraints.pairs(), strict=True):
            most = self.stage.max_pairs
            if most is not None and len(pairs) > most:
                chosen = seeds.numpy_generator(self.seed, "kept", name).permutation(len(pairs))[:most]
                pairs = pairs[chosen]
            if kind in (name, "pairs"):
                kept.append((pairs, np.full(len(pairs), name == "must")))
        pairs, same = zip(*kept, strict=True)
        return np.concatenate(pairs), np.concatenate(same)

    def pool(self, part: int, parts: int) -> np.ndarray:
        """The training images of one of several disjoint random parts, in order."""
        order = seeds.numpy_generator(self.seed, "pools").permutation(self.size)
        return np.sort(np.array_split(order, parts)[part])

    def fixed_order(self) -> np.ndarray:
        """Training images in the order that fixes the members of every batch for the whole run."""
        return seeds.numpy_generator(self.seed, "batches").permutation(self.size)

    def sweep(
        self,
        function: Callable[[nn.ModuleDict, Tensor], Tensor],
        split: str = "train",
        index: np.ndarray | None = None,
    ) -> Float[Tensor, "N _"]:
        """A function of network and images over a whole split, or some of it, in evaluation mode, on the CPU.

        Batches follow the order of the data set, the last one shorter, because a network with attention between
        images answers differently in other company.
        """
        training = self.network.training
        self.network.eval()
        with torch.inference_mode(), device.autocast(self.device):
            order = np.arange(len(self.images[split])) if index is None else index
            size = self.settings.batch_size
            parts = [order[i : i + size] for i in range(0, len(order), size)]
            rows = [function(self.network, self.plain(part, split)).float().cpu() for part in parts]
        self.network.train(training)
        return torch.cat(rows)

    def _shuffled(self, what: str, count: int) -> np.ndarray:
        name = self.stage.name
        return seeds.numpy_generator(self.seed, name, "order", what, self.epoch).permutation(count)


def chunks(order: np.ndarray, size: int, least: int = 2) -> Iterator[np.ndarray]:
    """Consecutive pieces; a last piece of fewer than `least` is left out: batch statistics need two rows."""
    for start in range(0, len(order), size):
        piece = order[start : start + size]
        if len(piece) >= least or len(order) == 1:
            yield piece
