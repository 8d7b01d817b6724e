"""Every image a class of its own, against a memory of all images, and features that tell different things (IDFD)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pcl.types import Float, Int64, Tensor

VERSION = 1


def instance_discrimination(
    f: Float[Tensor, "B M"], memory: Float[Tensor, "N M"], index: Int64[Tensor, " B"], temperature: float
) -> Float[Tensor, ""]:
    """Mean cross-entropy of finding an image among all images, by what is remembered of them.

        L = 1/B Σ_i −log( exp(f_i·V_i/τ) / Σ_n exp(f_i·V_n/τ) )

    Source: Wu et al., CVPR 2018; Tao, Takagi & Nakata, ICLR 2021 (IDFD), Eq. 3. Reference code
    TTN-YKK/Clustering_friendly_representation_learning@9ea5ce7, main.py (formulas only).

    Args:
        f: unit rows.
        memory: V, a row for every training image; no gradient.
        index: where the images stand in it.
        temperature: τ > 0.
    """
    return F.cross_entropy(f @ memory.T / temperature, index)


def feature_decorrelation(f: Float[Tensor, "B M"], temperature: float) -> Float[Tensor, ""]:
    """Mean cross-entropy of finding a feature among all features, by its values on the batch.

        L = 1/M Σ_l −log( exp(g_l·g_l/τ) / Σ_j exp(g_j·g_l/τ) ),  g_l column l of f at unit length

    Its least is log(1 + (M − 1) exp(−1/τ)), of orthogonal features.

    Source: IDFD, Eq. 7; main.py.

    Args:
        f: unit rows.
        temperature: τ > 0; 2 in the source.
    """
    g = F.normalize(f, dim=0)
    return F.cross_entropy(g.T @ g / temperature, torch.arange(f.shape[1], device=f.device))


def remembered(old: Float[Tensor, "B M"], f: Float[Tensor, "B M"], momentum: float) -> Float[Tensor, "B M"]:
    """The rows of the memory after a step: m·V_i + (1 − m)·f_i at unit length. Source: IDFD, main.py, m = 0.5."""
    return F.normalize(momentum * old + (1 - momentum) * f.detach(), dim=1)
