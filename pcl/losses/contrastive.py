"""Contrast between images and between clusters, and the balance of cluster sizes."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from pcl.types import Float, Tensor

VERSION = 1

TINY = 1e-8


def nt_xent(rows: Float[Tensor, "R M"], temperature: float) -> Float[Tensor, ""]:
    """Mean cross-entropy of finding a row's other view among all other rows.

        L = 1/R Σ_i −log( exp(s_{i,i⁺}/τ) / Σ_{k≠i} exp(s_{ik}/τ) ),  s the cosine

    Source: Chen et al., ICML 2020 (NT-Xent); Li et al., AAAI-21 (CC), instance loss.
    Reference code: Yunfan-Li/Contrastive-Clustering@61daba8.

    Args:
        rows: both views stacked, R = 2B; row i and row i + B are the two views of an image.
        temperature: τ > 0, dimensionless.
    """
    unit = F.normalize(rows, dim=1)
    logits = (unit @ unit.T / temperature).fill_diagonal_(-math.inf)
    half = len(rows) // 2
    return F.cross_entropy(logits, torch.arange(2 * half, device=rows.device).roll(half))


def info_nce_queue(
    q: Float[Tensor, "B M"], k: Float[Tensor, "B M"], queue: Float[Tensor, "Q M"], temperature: float
) -> Float[Tensor, ""]:
    """Mean cross-entropy of finding an image's own key among Q keys of earlier images.

        L = 1/B Σ_i −log( exp(q_i·k_i/τ) / (exp(q_i·k_i/τ) + Σ_n exp(q_i·queue_n/τ)) ),  no gradient to the keys

    Source: He et al., CVPR 2020 (MoCo), Eq. 1; niuchuangnn/SPICE@5eba538, moco/builder.py.

    Args:
        q: the student's embedding, unit rows.
        k: the teacher's embedding of another view, unit rows.
        queue: unit rows.
        temperature: τ > 0.
    """
    own = (q * k.detach()).sum(1) / temperature
    others = (q @ queue.T / temperature).logsumexp(1)
    return (torch.logaddexp(own, others) - own).mean()


def enqueue(
    queue: Float[Tensor, "Q *key M"], pointer: int, rows: Float[Tensor, "B *key M"]
) -> tuple[Float[Tensor, "Q *key M"], int]:
    """A copy of the queue in which the rows stand from the pointer on, wrapped at its end, and the next pointer.

    Of more rows than the queue holds, the last ones stay. Batches need not divide the queue.

    Args:
        queue: Q keys, one vector each or several.
        pointer: where the oldest key stands, in [0, Q).
        rows: as many new keys as there are; no gradient flows to them.
    """
    slots = (pointer + torch.arange(len(rows), device=queue.device)) % len(queue)
    newest = slice(-len(queue), None)
    return queue.index_copy(0, slots[newest], rows.detach()[newest]), (pointer + len(rows)) % len(queue)


def column_contrast(p: Float[Tensor, "R K"], temperature: float) -> Float[Tensor, ""]:
    """The same contrast between the 2K columns of two views' cluster probabilities.

    A cluster is described by who is in it: column k of view a belongs to column k of view b and to no other.

    Source: Li et al., AAAI-21 (CC), cluster loss without its entropy term.

    Args:
        p: cluster probabilities of both views stacked, R = 2B.
        temperature: τ > 0.
    """
    return nt_xent(torch.cat([view.T for view in p.chunk(2)]), temperature)


def cc(
    z: Float[Tensor, "R M"],
    p: Float[Tensor, "R K"],
    temperature: float,
    column_temperature: float,
    entropy_weight: float = 1.0,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of CC: contrast between images, contrast between clusters, and the balance of both views.

    Source: Li et al., AAAI-21 (CC).
    """
    first, second = p.chunk(2)
    return {
        "instance": nt_xent(z, temperature),
        "cluster": column_contrast(p, column_temperature),
        "balance": entropy_weight * (balance(first) + balance(second)),
    }


def balance(p: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """How far the batch's cluster sizes are from equal: log K + Σ_k p̄_k log p̄_k, 0 when equal, log K at most.

    The logarithm is clamped, so that an empty cluster costs something finite.

    Source: CC, GCC and PICA; PCL's Eq. 5 prints it with the opposite sign, which would reward collapse.
    """
    mean = p.sum(0) / p.sum()
    return math.log(p.shape[1]) + (mean * mean.clamp_min(TINY).log()).sum()
