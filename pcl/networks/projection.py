"""Encoders without a cluster head, whose clusters k-means finds: front end, projections and prototypes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.networks.backbone import made
from pcl.networks.centres import Centroids
from pcl.networks.heads import ClusterHead
from pcl.types import Float, Tensor

VERSION = 1

EDGES = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))


class Sobel(nn.Module):
    """Edges in place of colours: [B, C, H, W] → [B, 2, H, W], the slopes of the mean channel across and down.

    Source: Caron et al., ECCV 2018 (facebookresearch/deepcluster@2d1927e, models/alexnet.py); Huang, Gong & Zhu,
    CVPR 2020 (Raymond-sci/PICA@a82957e, lib/networks/default.py).
    """

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor(EDGES)
        self.register_buffer("filters", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 2 H W"]:
        """Both slopes, zero being outside."""
        grey = images.mean(1, keepdim=True)
        return F.conv2d(grey, self.filters.to(grey.dtype), padding=1)


class LinearHead(nn.Module):
    """Linear, rows of length one: [B, D] → [B, M] (IDFD)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B M"]:
        """Rows of length one."""
        return F.normalize(self.layer(h).float(), dim=1)


class ProjectionHead(nn.Module):
    """Linear, batch norm, ReLU, linear, rows of length one: [B, D] → [B, M] (SwAV, DeepCluster-v2)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        )

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B M"]:
        """Rows of length one."""
        return F.normalize(self.layers(h).float(), dim=1)


class Prototypes(nn.Module):
    """P unit vectors of M dimensions, with which rows are compared: [B, M] → [B, P]."""

    def __init__(self, count: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(count, features, generator=None), dim=1))

    def forward(self, z: Float[Tensor, "B M"], still: bool = False) -> Float[Tensor, "B P"]:
        """Inner products; prototypes that stand still get no gradient."""
        return z @ (self.weight.detach() if still else self.weight).T

    @torch.no_grad()
    def place(self, rows: Float[Tensor, "P M"]) -> None:
        """Move them to some rows, at length one."""
        self.weight.copy_(F.normalize(rows, dim=1))


def prototypes_of(network: nn.ModuleDict, name: str) -> Prototypes:
    """Those among the parts of a network."""
    found = network[name]
    assert isinstance(found, Prototypes)
    return found


def backbone(settings: DeepSettings, channels: int, *, sobel: bool = False) -> tuple[nn.Module, int]:
    """The common backbone, on wish behind edges, and how many features it gives; frozen features have no edges."""
    edges = sobel and not settings.backbone.frozen
    own = made(settings, 2 if edges else channels)
    return (nn.Sequential(Sobel(), own) if edges else own), own.features


def small_head(inputs: int, clusters: int) -> ClusterHead:
    """A linear cluster head that starts near equal probabilities: weights N(0, 0.01²), no bias (PICA)."""
    head = ClusterHead(inputs, clusters, linear=True)
    assert isinstance(head.layers, nn.Linear)
    nn.init.normal_(head.layers.weight, std=0.01, generator=None)
    nn.init.zeros_(head.layers.bias)
    return head


def group_layer(inputs: int, groups: int) -> nn.Linear:
    """A linear layer, which `renew` starts over."""
    return nn.Linear(inputs, groups)


@torch.no_grad()
def renew(layer: nn.Module, seed: int) -> None:
    """Start a linear layer over: weights N(0, 0.01²), no bias (DeepCluster)."""
    assert isinstance(layer, nn.Linear)
    drawn = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(seed))
    layer.weight.copy_(0.01 * drawn)
    layer.bias.zero_()


def read_by_kmeans(parts: dict[str, nn.Module], clusters: int, features: int) -> nn.ModuleDict:
    """A network of some parts with centres that k-means will place among rows of so many features."""
    return nn.ModuleDict({**parts, "centroids": Centroids(clusters, features).requires_grad_(False)})


def nearest(network: nn.ModuleDict, rows: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
    """One-hot: the nearest centre."""
    distances: Tensor = network["centroids"](rows)
    return F.one_hot(distances.argmin(1), distances.shape[1]).to(rows.dtype)


def unit(rows: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Rows of length one."""
    return F.normalize(rows.float(), dim=1)
