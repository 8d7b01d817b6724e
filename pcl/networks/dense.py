"""Networks of dense layers, for features that are rows of numbers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from pcl.types import Float, Tensor

VERSION = 1


def layers(widths: list[int]) -> nn.Sequential:
    """Linear layers from width to width with ReLU between them, none behind the last."""
    found: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        found += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*found[:-1])


def mask(rows: Float[Tensor, "B D"], share: float, generator: torch.Generator) -> Float[Tensor, "B D"]:
    """The rows with a share of their values set to zero, the input of a denoising autoencoder."""
    return rows * (torch.rand(rows.shape, generator=generator) >= share)
