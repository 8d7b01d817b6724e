"""The decoder that mirrors the backbone, for the methods that start from an autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from pcl import seed as seeds
from pcl.methods.base import DeepSettings
from pcl.networks.backbone import ResNet, conv3x3
from pcl.networks.heads import Centroids
from pcl.types import Float, Tensor

if TYPE_CHECKING:
    from pcl.engine.session import Session

Sweepable = Callable[[nn.ModuleDict, Tensor], Tensor]


class Decoder(nn.Module):
    """Images from an embedding: [B, D] → [B, C, S, S], S a power of two of at least 8.

    A linear layer to a 4×4 map, then nearest-neighbour doubling and 3×3 convolutions up to the image's size, the
    width halved at each doubling. The released DEC family uses dense layers (Xie et al., ICML 2016; Zhang et al.,
    ECML-PKDD 2019); they have no counterpart for a ResNet.
    """

    def __init__(self, features: int, width: int, channels: int, size: int) -> None:
        super().__init__()
        doublings = size.bit_length() - 3
        if size != 4 << doublings or doublings < 1:
            raise ValueError(f"size must be a power of two of at least 8, not {size}")
        widths = [max(width >> i, 8) for i in range(doublings + 1)]
        self.first = nn.Sequential(nn.Linear(features, widths[0] * 16), nn.ReLU(), nn.Unflatten(1, (-1, 4, 4)))
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Upsample(scale_factor=2), conv3x3(wide, narrow), nn.BatchNorm2d(narrow), nn.ReLU()]
        self.rest = nn.Sequential(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1))

    def forward(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B C S S"]:
        """Reconstructed images, on the scale of the network's input."""
        return self.rest(self.first(z))


def clustering_network(settings: DeepSettings, channels: int, clusters: int, embedding: int) -> nn.ModuleDict:
    """Backbone, a linear embedding without norm, its decoder, and centroids in the embedding."""
    b = settings.backbone
    backbone = ResNet(channels, b.depth, b.width, b.stem)
    return nn.ModuleDict(
        {
            "backbone": backbone,
            "embedding": nn.Linear(backbone.features, embedding),
            "decoder": Decoder(embedding, backbone.features, channels, settings.image_size),
            "centroids": Centroids(clusters, embedding),
        }
    )


def encode(network: nn.ModuleDict, images: Float[Tensor, "B C S S"]) -> Float[Tensor, "B D"]:
    """The embedding of images."""
    return network["embedding"](network["backbone"](images)).float()


def corrupt(images: Float[Tensor, "B C S S"], share: float, generator: torch.Generator) -> Float[Tensor, "B C S S"]:
    """The images with a share of their values set to zero, the input of a denoising autoencoder."""
    keep = torch.rand(images.shape, generator=generator, device=images.device) >= share
    return images * keep


def reconstruction_loss(decoded: Float[Tensor, "B C S S"], images: Float[Tensor, "B C S S"]) -> Float[Tensor, ""]:
    """Mean squared error over all values (not summed over pixels, so that weights keep their meaning at any size)."""
    return F.mse_loss(decoded.float(), images)


def centres_from_kmeans(session: Session, embed: Sweepable) -> None:
    """Set the centroids to the best of 20 k-means starts on the embedding of all training images."""
    from sklearn.cluster import KMeans

    rows = session.sweep(embed).numpy()
    centres: Tensor = session.network["centroids"].get_parameter("centres")
    state = seeds.derive(session.seed, "centres") % 2**32
    found = KMeans(len(centres), n_init=20, random_state=state).fit(rows).cluster_centers_
    with torch.no_grad():
        centres.copy_(torch.from_numpy(found))


def settled(session: Session, probabilities: Sweepable, tolerance: float) -> bool:
    """Whether fewer than a share `tolerance` of the images changed cluster since the last call."""
    clusters = session.sweep(probabilities).argmax(1)
    before = session.state.get("clusters")
    session.state["clusters"] = clusters
    return before is not None and (clusters != before).float().mean().item() < tolerance
