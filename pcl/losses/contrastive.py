"""Contrast between images and between clusters, and the balance of cluster sizes."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from pcl.types import Float, Tensor

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


def column_contrast(p: Float[Tensor, "R K"], temperature: float) -> Float[Tensor, ""]:
    """The same contrast between the 2K columns of two views' cluster probabilities.

    A cluster is described by who is in it: column k of view a belongs to column k of view b and to no other.

    Source: Li et al., AAAI-21 (CC), cluster loss without its entropy term.

    Args:
        p: cluster probabilities of both views stacked, R = 2B.
        temperature: τ > 0.
    """
    return nt_xent(torch.cat([view.T for view in p.chunk(2)]), temperature)


def balance(p: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """How far the batch's cluster sizes are from equal: log K + Σ_k p̄_k log p̄_k, 0 when equal, log K at most.

    The logarithm is clamped, so that an empty cluster costs something finite.

    Source: CC, GCC and PICA; PCL's Eq. 5 prints it with the opposite sign, which would reward collapse.
    """
    mean = p.sum(0) / p.sum()
    return math.log(p.shape[1]) + (mean * mean.clamp_min(TINY).log()).sum()
