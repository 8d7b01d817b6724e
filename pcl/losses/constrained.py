"""PCL's constrained contrastive loss, as printed and as released.

Rows are the two views of a batch of B images, stacked: R = 2B, and a link between images i and j holds between all
their views. Source: Geng et al., AAAI-25, Eq. 1–5; reference code hhdxwen/PCL@943dfcc, modules/contrastive_loss.py
(no licence: formulas only).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch.nn import functional as F

from pcl.losses.contrastive import TINY
from pcl.types import Bool, Float, Tensor

VERSION = 1

Form = Literal["paper", "release"]


def tile(links: Bool[Tensor, "B B"]) -> Bool[Tensor, "R R"]:
    """A matrix over images as one over the rows of two views."""
    return links.repeat(2, 2)


def cosine(rows: Float[Tensor, "R M"]) -> Float[Tensor, "R R"]:
    """s, the cosine between every two rows."""
    unit = F.normalize(rows, dim=1)
    return unit @ unit.T


def pair_loss(
    logits: Float[Tensor, "R R"], cannot: Bool[Tensor, "R R"], self_term: bool, scale: Form
) -> Float[Tensor, "R R"]:
    """Eq. 1 for every pair (i, j): how hard j is to find among all rows, cannot-links counted twice.

        l_ij = −log( exp(a_ij) / (μ_i Σ_k (1 + 1⁻_ik) exp(a_ik)) ),  a = s/τ

    Args:
        logits: a, similarities over the temperature.
        cannot: 1⁻, symmetric.
        self_term: whether k = i is in the sum (printed: yes; released: no).
        scale: μ. Printed: μ_i = N/(N + Σ_k 1⁻_ik), N half the rows. Released: the weighted mean over the other
            rows, times their number plus one.
    """
    rows = len(logits)
    weights = 1.0 + cannot.to(logits.dtype)
    if not self_term:
        weights = weights.fill_diagonal_(0)
    total = torch.logsumexp(logits + weights.log(), dim=1)
    printed = scale == "paper"
    log_mu = -torch.log1p(cannot.sum(1) / (rows / 2)) if printed else math.log(rows) - weights.sum(1).log()
    return (total + log_mu)[:, None] - logits


def paper_weights(must: Bool[Tensor, "B B"], emphasis: float) -> Float[Tensor, "R R"]:
    """Eq. 2: N₊ for the two views of an image, λN for a must-link, 0 elsewhere.

    N₊ counts the batch's must-links (i < j). Repaired: without any, Eq. 3 would divide 0 by 0, so that the views
    of an image then weigh 1.

    Args:
        must: known must-links of the batch.
        emphasis: λ.
    """
    count = must.sum().div(2).clamp_min(1).float()
    return _views(must) * count + tile(must) * (emphasis * len(must))


def release_weights(must: Bool[Tensor, "B B"], pseudo: Bool[Tensor, "B B"]) -> Float[Tensor, "R R"]:
    """The released weights: 1 for two views, 1 + max(4B/(#must + 1), 2) for a must-link, 1 for a pseudo one.

    #must counts both orders of a pair.

    Args:
        must: known must-links of the batch.
        pseudo: must-links that the model only supposes.
    """
    extra = (4 * len(must) / (must.sum() + 1)).clamp_min(2)
    return _views(must) + tile(must | pseudo).float() + tile(must) * extra


def row_loss(losses: Float[Tensor, "R R"], weights: Float[Tensor, "R R"], normalise: Form) -> Float[Tensor, ""]:
    """Eq. 3 and the first term of Eq. 5: the weighted mean of Eq. 1.

    Args:
        losses: Eq. 1 of every pair.
        weights: of every pair, ≥ 0, at least one per row above 0.
        normalise: "paper" takes the weighted mean row by row, then the mean over rows; "release" one weighted mean
            over the whole batch.
    """
    weighted = losses * weights
    if normalise == "paper":
        return (weighted.sum(1) / weights.sum(1)).mean()
    return weighted.sum() / weights.sum()


def column_loss(p: Float[Tensor, "R K"], temperature: float) -> Float[Tensor, ""]:
    """Eq. 4 and the second term of Eq. 5: Eq. 1 between the 2K columns of both views, self term included.

    Args:
        p: cluster probabilities of both views stacked.
        temperature: τ; the paper prints none.
    """
    similarity = cosine(torch.cat([view.T for view in p.chunk(2)]))
    none = torch.zeros_like(similarity, dtype=torch.bool)
    losses = pair_loss(similarity / temperature, none, self_term=True, scale="paper")
    return losses.diagonal(p.shape[1]).mean() / 2 + losses.diagonal(-p.shape[1]).mean() / 2


def printed_entropy(p: Float[Tensor, "R K"]) -> Float[Tensor, ""]:
    """The last term of Eq. 5 with the printed sign, H = −Σ_k P̄_k log P̄_k: minimising it rewards one cluster."""
    mean = p.mean(0)
    return -(mean * mean.clamp_min(TINY).log()).sum()


def _views(links: Bool[Tensor, "B B"]) -> Float[Tensor, "R R"]:
    """1 where two different rows are views of one image."""
    return torch.eye(2 * len(links), device=links.device).roll(len(links), 0)
