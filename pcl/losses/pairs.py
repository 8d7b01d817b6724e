"""Losses of answered pairs: on cluster probabilities (DCC), and on distances between embeddings (SDEC, ADC)."""

from __future__ import annotations

from typing import Literal

import torch

from pcl.types import Bool, Float, Tensor

VERSION = 1

TINY = 1e-6


def agreement(q: Float[Tensor, "twiceP K"]) -> Float[Tensor, " P"]:
    """The probability that two images share a cluster, Σ_k q_ak q_bk, kept off 0 and 1 where logarithms end.

    Args:
        q: probabilities of the first images of all pairs, then of the second.
    """
    a, b = q.chunk(2)
    return (a * b).sum(1).clamp(TINY, 1 - TINY)


def must_link_loss(q: Float[Tensor, "twiceP K"]) -> Float[Tensor, ""]:
    """Mean of −log(q_a·q_b) over pairs in the same cluster.

    Source: Zhang, Basu & Davidson, ECML-PKDD 2019 (DCC); code blueocean92/deep_constrained_clustering@22e5c98.
    """
    return -agreement(q).log().mean()


def cannot_link_loss(q: Float[Tensor, "twiceP K"]) -> Float[Tensor, ""]:
    """Mean of −log(1 − q_a·q_b) over pairs in different clusters. Source: as `must_link_loss`."""
    return -(1 - agreement(q)).log().mean()


def pair_loss(q: Float[Tensor, "twiceP K"], same: Bool[Tensor, " P"]) -> Float[Tensor, ""]:
    """Mean of −log(q_a·q_b) over must-links and −log(1 − q_a·q_b) over cannot-links: every pair counts alike.

    Source: as `must_link_loss`, as one cross-entropy (Hsu et al., ICLR 2019, on answers).

    Args:
        q: probabilities of the first images of all pairs, then of the second.
        same: which pairs are must-links; the others are cannot-links.
    """
    agreed = agreement(q)
    return -torch.where(same, agreed, 1 - agreed).log().mean()


def known_pairs_loss(
    p: Float[Tensor, "R K"], must: Bool[Tensor, "R R"], cannot: Bool[Tensor, "R R"]
) -> Float[Tensor, ""]:
    """What a batch's known pairs say of its clusters: the mean of −log(p_i·p_j) and −log(1 − p_i·p_j); 0 if none.

    Source: Hsu, Lv, Schlosser, Odom & Kira, ICLR 2019 (meta classification likelihood), on answers.

    Args:
        p: cluster probabilities of rows.
        must: which pairs of rows are must-linked, symmetric.
        cannot: which are cannot-linked, symmetric.
    """
    same = (p @ p.T).clamp(TINY, 1 - TINY)
    losses = torch.where(must, same, 1 - same).log().neg()
    known = must | cannot
    return losses.mul(known).sum() / known.sum().clamp_min(1)


def size_loss(q: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """How far the soft cluster sizes are from equal: Σ_k (q̄_k − 1/K)².

    Source: as `must_link_loss` (its global size constraint; the released code fixes K at 10).
    """
    return (q.mean(0) - 1 / q.shape[1]).square().sum()


def triplet_loss(
    anchor: Float[Tensor, "T K"], same: Float[Tensor, "T K"], other: Float[Tensor, "T K"], margin: float = 0.1
) -> Float[Tensor, ""]:
    """An anchor shares its cluster with one image rather than with another: mean of max(q_a·q_n − q_a·q_p + δ, 0).

    Source: as `must_link_loss` (its triplet constraints), where δ is 0.1.

    Args:
        anchor: probabilities q_a.
        same: q_p, of images that are to be nearer to the anchor.
        other: q_n, of images that are to be farther from it.
        margin: δ ≥ 0, on the scale of probabilities.
    """
    return ((anchor * other).sum(1) - (anchor * same).sum(1) + margin).clamp_min(0).mean()


def difficulty_loss(q: Float[Tensor, "B K"], marks: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Easy images are to be sure of their cluster: −‖m ⊙ q‖, the Frobenius norm over a batch.

    Source: as `must_link_loss` (its instance difficulty), whose released code marks easy images 1 and hard ones −0.1.
    A norm is blind to signs: hard images are made surer too, if a hundred times more weakly.

    Args:
        q: cluster probabilities.
        marks: m, one for each image; 0 leaves the image out.
    """
    return -torch.linalg.matrix_norm(marks[:, None] * q)


def distance_loss(
    z: Float[Tensor, "twiceP D"], same: Bool[Tensor, " P"], relative: bool = False
) -> Float[Tensor, ""]:
    """Must-linked images together, cannot-linked ones apart: (Σ_ML d² − Σ_CL d²)/P, d the distance in a pair.

    Unbounded below, as cannot-links may push for ever, unless it is relative.

    Source: Ren et al., Neurocomputing 2019 (SDEC), whose 1/n Σ_ij a_ij d²_ij over ordered pairs of n images is 2P/n
    times this; the mean over pairs is that of spherepaircc/SpherePairCC.
    Differs: SDEC's released code (hkrds1996/SDEC@29f291b) weighs the two kinds alike whatever their number, and feeds
    the value in as a constant, so that its answers train nothing. `relative` is ours.

    Args:
        z: embeddings of the first images of all pairs, then of the second.
        same: which pairs are must-links; the others are cannot-links.
        relative: divide d² by the mean d² of any two rows: the loss is then bounded, and blind to the scale of the
            embedding, so that its weight means the same at every scale.
    """
    a, b = z.chunk(2)
    squares = (a - b).square().sum(1)
    loss = torch.where(same, squares, -squares).mean()
    if relative:
        # The mean over all pairs of rows is twice the total variance.
        spread = 2 * z.var(0).sum()
        loss = loss / spread.clamp_min(torch.finfo(z.dtype).tiny)
    return loss


def margin_loss(
    z: Float[Tensor, "twiceP D"],
    same: Bool[Tensor, " P"],
    margin: float = 1.0,
    reduction: Literal["sum", "mean"] = "sum",
) -> Float[Tensor, ""]:
    """Must-linked images together, cannot-linked ones δ apart: Σ_ML d² + Σ_CL max(δ − d, 0)², ≥ 0.

    A cannot-link between equal embeddings pushes nowhere: its gradient is 0 there.

    Source: Sun et al., Knowledge-Based Systems 2022 (ADC), Eq. 2: the sum; "mean" divides by P.

    Args:
        z: embeddings of the first images of all pairs, then of the second.
        same: which pairs are must-links; the others are cannot-links.
        margin: δ > 0, in the units of z.
        reduction: over the pairs.
    """
    a, b = z.chunk(2)
    distances = torch.linalg.vector_norm(a - b, dim=1)
    losses = torch.where(same, distances.square(), (margin - distances).clamp_min(0).square())
    return losses.sum() if reduction == "sum" else losses.mean()
