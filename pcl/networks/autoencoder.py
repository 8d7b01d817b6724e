"""The decoders that mirror the backbones, for the methods that start from an autoencoder."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings, doublings
from pcl.networks.backbone import Conv3x3, made
from pcl.types import Float, Tensor

VERSION = 1


class Decoder(nn.Module):
    """Images from an embedding: [B, D] → [B, C, S, S], S a number that halves to 4 … 7.

    A linear layer to a map of 4 to 7 pixels a side, then nearest-neighbour doubling and 3×3 convolutions up to the
    image's size, the width halved at each doubling: as wide as a backbone is at that size. The released DEC family
    uses dense layers (Xie et al., ICML 2016; Zhang et al., ECML-PKDD 2019); they have no counterpart for a ResNet.
    """

    def __init__(self, features: int, width: int, channels: int, size: int) -> None:
        super().__init__()
        times = doublings(size)
        side = size >> times
        # A backbone doubles its width three times; an image that it halves less often never gets as wide.
        first = width >> max(3 - times, 0)
        widths = [max(first >> i, 8) for i in range(times + 1)]
        self.first = nn.Sequential(
            nn.Linear(features, widths[0] * side**2), nn.ReLU(), nn.Unflatten(1, (-1, side, side))
        )
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Upsample(scale_factor=2), Conv3x3(wide, narrow), nn.BatchNorm2d(narrow), nn.ReLU()]
        self.rest = nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1))

    def forward(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B C S S"]:
        """Reconstructed images, on the scale of the network's input."""
        return self.rest(self.first(z))


def dense_decoder(features: int, width: int, outputs: int) -> nn.Sequential:
    """Frozen features from an embedding: [B, D] → [B, outputs], with one hidden layer as wide as the backbone's."""
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, outputs))


def embedding_network(settings: DeepSettings, channels: int, size: int, *, decoder: bool) -> nn.ModuleDict:
    """Backbone and a linear embedding of `size` values, without norm; a decoder on wish."""
    backbone = made(settings, channels)
    parts: dict[str, nn.Module] = {"backbone": backbone, "embedding": nn.Linear(backbone.features, size)}
    if decoder:
        frozen, wide = settings.backbone.frozen, backbone.features
        parts["decoder"] = (
            dense_decoder(size, wide, channels) if frozen else Decoder(size, wide, channels, settings.image_size)
        )
    return nn.ModuleDict(parts)


def encode(network: nn.ModuleDict, images: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
    """The embedding of images."""
    return network["embedding"](network["backbone"](images)).float()


def corrupt(images: Float[Tensor, "B ..."], share: float, generator: torch.Generator) -> Float[Tensor, "B ..."]:
    """The images with a share of their values set to zero, the input of a denoising autoencoder."""
    keep = torch.rand(images.shape, generator=generator, device=images.device) >= share
    return images * keep


def reconstruction_loss(decoded: Float[Tensor, "B ..."], images: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """Mean squared error over all values (not summed over pixels, so that weights keep their meaning at any size)."""
    return F.mse_loss(decoded.float(), images)
