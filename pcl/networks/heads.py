"""What sits on the backbone: projections and cluster heads."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.networks.backbone import made
from pcl.types import Float, Tensor

VERSION = 1


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Linear, ReLU, Linear, the hidden layer as wide as the input (CC's heads; Li et al., AAAI-21)."""
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, outputs))


class InstanceHead(nn.Module):
    """Unit vectors for contrast between images: [B, D] → [B, M]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = mlp(inputs, outputs)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B M"]:
        """Rows of length one."""
        return F.normalize(self.layers(h).float(), dim=1)


class ClusterHead(nn.Module):
    """Cluster probabilities: [B, D] → [B, K], from two layers (CC) or a linear one (GCC)."""

    def __init__(self, inputs: int, clusters: int, *, linear: bool = False) -> None:
        super().__init__()
        self.layers = nn.Linear(inputs, clusters) if linear else mlp(inputs, clusters)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Rows that sum to one."""
        return torch.softmax(self.layers(h).float(), dim=1)


def contrastive_network(
    settings: DeepSettings, channels: int, clusters: int, features: int, *, linear: bool = False
) -> nn.ModuleDict:
    """Backbone, instance head and cluster head (CC; 21,876,674 parameters with ResNet34 and K = 2)."""
    backbone = made(settings, channels)
    heads = {"instance": InstanceHead(backbone.features, features)}
    cluster = ClusterHead(backbone.features, clusters, linear=linear)
    return nn.ModuleDict({"backbone": backbone, **heads, "cluster": cluster})


def features(network: nn.ModuleDict, images: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
    """What the heads of such a network see: the backbone's output, after attention where there is one."""
    h: Tensor = network["backbone"](images)
    return network["attention"](h) if "attention" in network else h


def cluster_probabilities(network: nn.ModuleDict, images: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
    """The cluster head's answer for unaugmented images."""
    return network["cluster"](features(network, images))


def cluster_logits(network: nn.ModuleDict, images: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
    """The cluster head's answer before the softmax."""
    return logits_of(network, features(network, images))


def logits_of(network: nn.ModuleDict, seen: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
    """The same, given the features of images."""
    head = network["cluster"]
    assert isinstance(head, ClusterHead)
    logits: Tensor = head.layers(seen)
    return logits.float()


def both_views(network: nn.ModuleDict, views: list[Float[Tensor, "B ..."]]) -> dict[str, Tensor]:
    """Rows of the instance head, `z` [R, M], and of the cluster head, `p` [R, K], of all views stacked.

    Each view passes the network by itself, so that its batch statistics, and its attention, are its own.
    """
    seen = torch.cat([features(network, view) for view in views])
    return {"z": network["instance"](seen), "p": network["cluster"](seen)}
