"""The images of a run: as they are stored, unaugmented and normalised, or as random views; never a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pcl.engine import augment, device, strong
from pcl.engine.stage import DeepSettings, Recipe
from pcl.types import Float, Tensor, UInt8

VIEWS = {"standard": augment.view, "weak": strong.weak, "strong": strong.strong}


@dataclass
class Images:
    """The images of every split, and how the network is shown them."""

    splits: dict[str, UInt8[Tensor, "N C H W"]]
    settings: DeepSettings
    device: torch.device

    def size(self, split: str = "train") -> int:
        """N, the number of images of a split."""
        return len(self.splits[split])

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
