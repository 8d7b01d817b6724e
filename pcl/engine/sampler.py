"""Who is in which batch: orders drawn from the seed, the stage and the epoch, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from pcl import seed as seeds
from pcl.constraints import Constraints
from pcl.engine.stage import Kind, Stage, chunks
from pcl.types import Bool, Float, Int64, Tensor


@dataclass
class Batch:
    """Images on their way through one step.

    `index` holds positions in the training split. In a batch of kind "pairs", "must" or "cannot" its first half is
    linked, one by one, to its second half; `same` [P] says how. `views` are random views [B, C, S, S], `images` the
    unaugmented pictures; one of the two is there. `more` is what the method adds in `prepare`. `generator` is the
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
    views: list[Float[Tensor, "B ..."]] = field(default_factory=list)
    more: dict[str, Tensor] = field(default_factory=dict)
    images: Float[Tensor, "B ..."] = field(init=False)
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


@dataclass(frozen=True)
class Sampler:
    """Draws the members of batches from `size` training images and from what is known about them."""

    seed: int
    size: int

    def fixed_order(self) -> np.ndarray:
        """Training images in the order that fixes the members of every batch for the whole run."""
        return seeds.numpy_generator(self.seed, "batches").permutation(self.size)

    def pool(self, part: int, parts: int) -> np.ndarray:
        """The training images of one of several disjoint random parts, in order."""
        order = seeds.numpy_generator(self.seed, "pools").permutation(self.size)
        return np.sort(np.array_split(order, parts)[part])

    def epoch(self, stage: Stage, epoch: int, constraints: Constraints) -> list[Members]:
        """The batches of an epoch, in order."""
        streams = stage.batches.streams
        return [members for kind in streams for members in self._members(kind, stage, epoch, constraints)]

    def share(
        self, stage: Stage, epoch: int, step: int, steps: int, constraints: Constraints
    ) -> tuple[np.ndarray, np.ndarray]:
        """An equal share of the known pairs [P, 2] for one of the steps of an epoch, and which are must-links [P]."""
        pairs, same = self.known_pairs(stage, "pairs", constraints)
        rows = np.array_split(self._shuffled(stage, epoch, "pairs", len(pairs)), steps)[step]
        return pairs[rows], same[rows]

    def known_pairs(self, stage: Stage, kind: Kind, constraints: Constraints) -> tuple[np.ndarray, np.ndarray]:
        """Pairs [P, 2] that are trained on, and whether each is a must-link [P]."""
        kept, most = [], stage.batches.max_pairs
        for name, pairs in zip(("must", "cannot"), constraints.pairs(), strict=True):
            if most is not None and len(pairs) > most:
                chosen = seeds.numpy_generator(self.seed, "kept", name).permutation(len(pairs))[:most]
                pairs = pairs[chosen]
            if kind in (name, "pairs"):
                kept.append((pairs, np.full(len(pairs), name == "must")))
        pairs, same = zip(*kept, strict=True)
        return np.concatenate(pairs), np.concatenate(same)

    def _members(self, kind: Kind, stage: Stage, epoch: int, constraints: Constraints) -> Iterator[Members]:
        size = stage.batches.size
        if kind == "images":
            order = self.fixed_order() if stage.batches.fixed else self._shuffled(stage, epoch, "images", self.size)
            yield from (Members(kind, index) for index in chunks(order, size))
            return
        pairs, same = self.known_pairs(stage, kind, constraints)
        order = self._shuffled(stage, epoch, kind, len(pairs))
        # As many images as in a batch of images where both kinds mix; the released DCC counts pairs.
        for rows in chunks(order, size // 2 if kind == "pairs" else size, least=1):
            yield Members(kind, pairs[rows].T.flatten(), same[rows])

    def _shuffled(self, stage: Stage, epoch: int, what: str, count: int) -> np.ndarray:
        return seeds.numpy_generator(self.seed, stage.name, "order", what, epoch).permutation(count)
