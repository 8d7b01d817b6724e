"""The experts and the gate of MiCE, and what it remembers of earlier batches."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.losses import contrastive, experts
from pcl.networks.backbone import made
from pcl.networks.momentum import slow_copy
from pcl.types import Float, Tensor

VERSION = 1


class Experts(nn.Module):
    """One linear embedding per cluster, each of unit length: [B, D] → [B, K, M]."""

    def __init__(self, inputs: int, clusters: int, outputs: int) -> None:
        super().__init__()
        self.clusters, self.layer = clusters, nn.Linear(inputs, clusters * outputs)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B K M"]:
        """Each image as every expert sees it."""
        return F.normalize(self.layer(h).unflatten(1, (self.clusters, -1)).float(), dim=2)


class Gate(nn.Module):
    """A linear embedding of unit length: [B, D] → [B, M]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B M"]:
        """What is compared with the gate's fixed prototypes."""
        return F.normalize(self.layer(h).float(), dim=1)


class Memory(nn.Module):
    """Prototypes of gate and experts, and a queue of the teacher's earlier embeddings.

    The experts' prototypes are the normalised sums of an epoch; until one is over they are zero and say nothing.
    """

    omega: Tensor
    mu: Tensor
    sums: Tensor
    queue: Tensor
    pointer: Tensor

    def __init__(self, clusters: int, features: int, size: int) -> None:
        super().__init__()
        self.register_buffer("omega", experts.simplex(clusters, features).float())
        self.register_buffer("mu", torch.zeros(clusters, features))
        self.register_buffer("sums", torch.zeros(clusters, features))
        self.register_buffer("queue", torch.zeros(size, clusters, features))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def start(self, generator: torch.Generator) -> None:
        """Fill the queue with noise, uniform within ±√(3/M)."""
        bound = math.sqrt(3 / self.queue.shape[2])
        noise = torch.rand(self.queue.shape, generator=generator, device=generator.device)
        self.queue.copy_((2 * noise - 1) * bound)

    def add(self, v: Float[Tensor, "B K M"], posterior: Float[Tensor, "B K"]) -> None:
        """Queue a batch, and count it towards the prototypes of the clusters that its images fall in."""
        queue, pointer = contrastive.enqueue(self.queue, int(self.pointer), v)
        self.queue.copy_(queue)
        self.pointer.fill_(pointer)
        self.sums += experts.prototype_sums(v, posterior)

    def end_epoch(self) -> None:
        """New prototypes from the sums of the epoch."""
        self.mu.copy_(experts.updated_prototypes(self.sums, self.mu))
        self.sums.zero_()


def mixture_of_experts(
    settings: DeepSettings, channels: int, clusters: int, features: int, queue: int
) -> nn.ModuleDict:
    """Backbone, experts and gate, a slow copy of backbone and experts, and the memory.

    With ResNet34 the first three have 21,284,672 + (K + 1)·65,664 parameters.
    """
    backbone = made(settings, channels)
    student = nn.ModuleDict({"backbone": backbone, "experts": Experts(backbone.features, clusters, features)})
    return nn.ModuleDict(
        {
            **student,
            "gate": Gate(backbone.features, features),
            "teacher": slow_copy(student),
            "memory": Memory(clusters, features, queue),
        }
    )


def memory_of(network: nn.ModuleDict) -> Memory:
    """The memory among the parts of such a network."""
    memory = network["memory"]
    assert isinstance(memory, Memory)
    return memory


def judge(network: nn.ModuleDict, student: Tensor, teacher: Tensor, gate: Tensor) -> dict[str, Tensor]:
    """log π and log Φ [B, K] of images, from one view for the student, one for the teacher and one for the gate."""
    memory = memory_of(network)
    f = network["experts"](network["backbone"](student))
    with torch.no_grad():
        v = network.get_submodule("teacher.experts")(network.get_submodule("teacher.backbone")(teacher))
    g = network["gate"](network["backbone"](gate))
    with torch.autocast(f.device.type, enabled=False):  # as in a loss: thousands of keys are summed up
        log_pi = experts.log_gate(g, memory.omega)
        log_phi = experts.log_expert(f, v, memory.mu, memory.queue)
    return {"v": v, "log_pi": log_pi, "log_phi": log_phi, "p": experts.posterior(log_pi, log_phi)}
