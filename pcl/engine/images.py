"""What a run is shown of its images: pixels, or cached features in their place, as they are or as random views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pcl.engine import augment, device, strong
from pcl.engine.stage import DeepSettings, Recipe
from pcl.types import Float, Tensor, UInt8

VIEWS = {"standard": augment.view, "weak": strong.weak, "strong": strong.strong}
AT_ONCE = 4096
"""Rows that statistics look at at once."""


@dataclass
class Inputs(ABC):
    """The images of every split, and how the network is shown them; never a label."""

    splits: Mapping[str, Any]
    settings: DeepSettings
    device: torch.device

    def size(self, split: str = "train") -> int:
        """N, the number of images of a split."""
        return len(self.splits[split])

    @property
    @abstractmethod
    def channels(self) -> int:
        """What the network is built for: channels of an image, or D of its features."""

    @abstractmethod
    def unaugmented(self, index: np.ndarray, split: str = "train") -> Float[Tensor, "B ..."]:
        """Images as they are, normalised."""

    @abstractmethod
    def view(self, index: np.ndarray, recipe: Recipe, generator: torch.Generator) -> Float[Tensor, "B ..."]:
        """One random view of each of some training images."""

    def predict(
        self,
        network: nn.ModuleDict,
        function: Callable[[nn.ModuleDict, Tensor], Tensor],
        split: str = "train",
        index: np.ndarray | None = None,
    ) -> Float[Tensor, "N _"]:
        """A function of network and images over a whole split, or some of it, in evaluation mode, on the CPU.

        Batches follow the order of the data set, the last one shorter: a network with attention between images gives
        an image another answer in another batch.
        """
        training = network.training
        network.eval()
        with torch.inference_mode(), device.autocast(self.device):
            order = np.arange(self.size(split)) if index is None else index
            size = self.settings.batch_size
            parts = [order[i : i + size] for i in range(0, len(order), size)]
            rows = [function(network, self.unaugmented(part, split)).float().cpu() for part in parts]
        network.train(training)
        return torch.cat(rows)


@dataclass
class Images(Inputs):
    """The pixels themselves."""

    splits: Mapping[str, UInt8[Tensor, "N C H W"]]

    @property
    def channels(self) -> int:
        """C."""
        return self.splits["train"].shape[1]

    def instead(self, images: Mapping[str, NDArray[np.uint8]]) -> Images:
        """Other images, shown in the same way."""
        tensors = {name: torch.from_numpy(np.array(values)) for name, values in images.items()}
        return Images(tensors, self.settings, self.device)

    def stored(self, index: np.ndarray, split: str = "train") -> UInt8[Tensor, "B C H W"]:
        """The pixels at some positions, on the device."""
        images = self.splits[split]
        rows = torch.from_numpy(np.ascontiguousarray(index)).to(images.device)
        return images[rows].to(self.device).contiguous(memory_format=device.MEMORY_FORMAT)

    def unaugmented(self, index: np.ndarray, split: str = "train") -> Float[Tensor, "B C S S"]:
        """Images at the network's size, normalised."""
        return augment.unaugmented(self.stored(index, split), self.settings.image_size, self.settings.augmentation)

    def view(self, index: np.ndarray, recipe: Recipe, generator: torch.Generator) -> Float[Tensor, "B C S S"]:
        """One random view of each of some training images."""
        size, augmentation = self.settings.image_size, self.settings.augmentation
        return VIEWS[recipe](self.stored(index), size, augmentation, generator)


@dataclass
class Cached(Inputs):
    """Frozen features [N, D] in the place of images, and cached ones [V, N, D] in the place of their random views.

    All lie on disk, and what a batch needs is gathered from there. They are moved to mean 0 and scaled by one number
    to a mean variance of 1, both of the training images: likeness stays what it is, and learning rates mean what they
    mean for normalised pixels.
    """

    splits: Mapping[str, NDArray[np.float32]]
    views: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self.mean, self.scale = _statistics(self.splits["train"])

    @property
    def channels(self) -> int:
        """D."""
        return self.splits["train"].shape[1]

    def unaugmented(self, index: np.ndarray, split: str = "train") -> Float[Tensor, "B D"]:
        """Features of images as they are."""
        return self._normalised(self.splits[split][index])

    def view(self, index: np.ndarray, recipe: Recipe, generator: torch.Generator) -> Float[Tensor, "B D"]:
        """Features of one of the cached views of each of some training images, drawn alike for every recipe."""
        assert self.views is not None, "an arm that draws views is planned with a representation that has them"
        drawn = torch.randint(len(self.views), (len(index),), generator=generator, device=generator.device)
        return self._normalised(self.views[drawn.cpu().numpy(), index])

    def _normalised(self, rows: NDArray[np.float32]) -> Float[Tensor, "B D"]:
        return torch.from_numpy((np.asarray(rows) - self.mean) * self.scale).to(self.device)


def _statistics(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32]:
    """The mean [D] of rows, and the inverse root of their mean variance."""
    pieces = range(0, len(rows), AT_ONCE)
    mean = sum(rows[i : i + AT_ONCE].sum(0, dtype=np.float64) for i in pieces) / len(rows)
    spread = sum(np.square(rows[i : i + AT_ONCE] - mean).sum() for i in pieces) / rows.size
    return mean.astype(np.float32), np.float32(1 / np.sqrt(spread))
