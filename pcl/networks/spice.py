"""The networks of SPICE's three stages: contrast with a queue, many cluster heads, and a classifier."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.losses import contrastive
from pcl.networks.backbone import Backbone, made
from pcl.networks.heads import ClusterHead, InstanceHead
from pcl.networks.momentum import slow_copy
from pcl.types import Float, Int64, Tensor

VERSION = 1


class ClusterHeads(nn.Module):
    """H cluster heads of two layers side by side: [B, D] → probabilities [H, B, K]."""

    def __init__(self, heads: int, inputs: int, clusters: int) -> None:
        super().__init__()
        sizes = {"hidden": (inputs, inputs), "out": (inputs, clusters)}
        for name, (before, after) in sizes.items():
            bound = 1 / math.sqrt(before)
            for kind, shape in (("weight", (heads, before, after)), ("bias", (heads, 1, after))):
                values = nn.Parameter(torch.empty(shape))
                nn.init.uniform_(values, -bound, bound, generator=None)
                self.register_parameter(f"{name}_{kind}", values)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "H B K"]:
        """Every head's answer."""
        w = dict(self.named_parameters())
        hidden = F.relu(h.float() @ w["hidden_weight"] + w["hidden_bias"])
        return torch.softmax(hidden @ w["out_weight"] + w["out_bias"], 2)

    @torch.no_grad()
    def copy_to(self, head: ClusterHead, number: int) -> None:
        """Write one of the heads into a single one."""
        first, last = (layer for layer in head.modules() if isinstance(layer, nn.Linear))
        w = dict(self.named_parameters())
        for layer, name in ((first, "hidden"), (last, "out")):
            layer.weight.copy_(w[f"{name}_weight"][number].T)
            layer.bias.copy_(w[f"{name}_bias"][number, 0])


class Classifier(nn.ModuleDict):
    """A backbone with a linear layer on it: images [B, C, S, S] → logits [B, K]."""

    ready: Tensor

    def __init__(self, backbone: Backbone, clusters: int) -> None:
        super().__init__({"backbone": backbone, "layer": nn.Linear(backbone.features, clusters)})
        self.register_buffer("ready", torch.tensor(False))

    def forward(self, images: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
        """Logits."""
        return self["layer"](self["backbone"](images)).float()


def three_stages(settings: DeepSettings, channels: int, clusters: int, features: int, heads: int) -> nn.ModuleDict:
    """All parts: encoder and slow encoder, heads and the selected one, classifier and its moving average."""
    backbone, other = (made(settings, channels) for _ in range(2))
    encoder = nn.ModuleDict({"backbone": backbone, "instance": InstanceHead(backbone.features, features)})
    classifier = Classifier(other, clusters)
    return nn.ModuleDict(
        {
            **encoder,
            "teacher": slow_copy(encoder),
            "heads": ClusterHeads(heads, backbone.features, clusters),
            "cluster": ClusterHead(backbone.features, clusters).requires_grad_(False),
            "classifier": classifier,
            "average": slow_copy(classifier),
        }
    )


def classifier_only(settings: DeepSettings, channels: int, clusters: int) -> nn.ModuleDict:
    """The parts of the last stage alone: classifier and its moving average."""
    classifier = Classifier(made(settings, channels), clusters)
    return nn.ModuleDict({"classifier": classifier, "average": slow_copy(classifier)})


def empty_queue(size: int, features: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A queue [Q, M] of random unit rows, and where its oldest row stands."""
    noise = torch.randn(size, features, generator=generator, device=generator.device)
    return {"queue": unit(noise), "pointer": torch.zeros((), dtype=torch.int64)}


def queued(state: dict[str, Tensor], k: Float[Tensor, "B M"]) -> dict[str, Tensor]:
    """The queue with a batch taken in."""
    queue, pointer = contrastive.enqueue(state["queue"], int(state["pointer"]), k)
    return {"queue": queue, "pointer": torch.tensor(pointer)}


def query_and_key(network: nn.ModuleDict, views: list[Float[Tensor, "B ..."]]) -> dict[str, Tensor]:
    """The encoder's embedding of the first views and the slow encoder's of the second, `q` and `k` [B, M]."""
    q = network["instance"](network["backbone"](views[0]))
    backbone, instance = (network.get_submodule(f"teacher.{part}") for part in ("backbone", "instance"))
    return {"q": q, "k": quietly(instance, quietly(backbone, views[1]))}


def heads_only(network: nn.ModuleDict, images: Float[Tensor, "B ..."]) -> dict[str, Tensor]:
    """Every head's probabilities `p` [H, B, K], on features that get no gradient."""
    return {"p": network["heads"](quietly(network["backbone"], images))}


def classified(classifier: nn.Module, views: list[Tensor]) -> dict[str, Tensor]:
    """Logits of weak, strong and labelled views, which pass the classifier as one batch."""
    logits = classifier(torch.cat(views)).split([len(view) for view in views])
    return dict(zip(("weak", "strong", "labelled"), logits, strict=True))


@torch.no_grad()
def quietly(module: nn.Module, inputs: Tensor) -> Tensor:
    """What a module makes of its inputs, without gradient."""
    return module(inputs)


@torch.no_grad()
def keep_best(network: nn.ModuleDict, losses: Float[Tensor, " H"], state: dict[str, Tensor]) -> None:
    """Select the head of the lowest loss, if no epoch before had a lower one; `state["lowest"]` says what it was."""
    lowest, head = losses.min(0)
    if "lowest" not in state or lowest < state["lowest"]:
        heads, selected = network["heads"], network["cluster"]
        assert isinstance(heads, ClusterHeads) and isinstance(selected, ClusterHead)
        state["lowest"] = lowest
        heads.copy_to(selected, int(head))


@torch.no_grad()
def start_classifier(network: nn.ModuleDict, *, take_backbone: bool) -> None:
    """Set the average equal to the classifier, whose backbone may be taken over from the encoder."""
    if take_backbone:
        network.get_submodule("classifier.backbone").load_state_dict(network["backbone"].state_dict())
    network.get_buffer("classifier.ready").fill_(True)
    network["average"].load_state_dict(network["classifier"].state_dict())


def draw(among: int, count: int, generator: torch.Generator) -> Int64[Tensor, " count"]:
    """Numbers below `among`, with replacement."""
    return torch.randint(among, (count,), generator=generator, device=generator.device)


def unit(rows: Float[Tensor, "N M"]) -> Float[Tensor, "N M"]:
    """Rows of length one."""
    return F.normalize(rows, dim=1)
