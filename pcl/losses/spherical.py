"""The loss of answered pairs on the sphere: of angles between embeddings, whatever their lengths (SpherePair)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pcl.types import Bool, Float, Tensor

VERSION = 1

TINY = 1e-6


def unit(z: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Rows of length one, z/‖z‖."""
    return F.normalize(z, dim=1)


def alike(cosine: Float[Tensor, " *P"]) -> Float[Tensor, " *P"]:
    """s⁺ = (1 + cos θ)/2: how much a must-link is obeyed, 1 at an angle of 0 and ½ at 90°."""
    return (1 + cosine) / 2


def overlap(cosine: Float[Tensor, " *P"]) -> Float[Tensor, " *P"]:
    """s⁻ = (1 + cos 2θ)/2 up to 90°, and 0 beyond: how much a cannot-link is violated.

    Computed as cos² θ, which is the same and needs no angle; ω = 2 is thereby fixed.
    """
    return cosine.clamp_min(0).square()


def pair_loss(z: Float[Tensor, "twiceP D"], same: Bool[Tensor, " P"]) -> Float[Tensor, ""]:
    """Mean of −log s⁺ over must-links and −log(1 − s⁻) over cannot-links; 0 without any pair.

    A cannot-link costs nothing beyond 90°. Both logarithms end at 10⁻⁶, so that the worst pairs push nowhere.

    Source: SpherePair, NeurIPS 2025, arXiv 2510.06907; spherepaircc/SpherePairCC@a6ab97a, with ω = 2.

    Args:
        z: embeddings of the first images of all pairs, then of the second.
        same: which pairs are must-links; the others are cannot-links.
    """
    a, b = unit(z).chunk(2)
    cosine = (a * b).sum(1)
    right = torch.where(same, alike(cosine), 1 - overlap(cosine))
    return -right.clamp_min(TINY).log().sum() / max(len(same), 1)
