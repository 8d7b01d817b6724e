"""Losses of answered pairs on cluster probabilities (DCC)."""

from __future__ import annotations

from pcl.types import Float, Tensor

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


def size_loss(q: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """How far the soft cluster sizes are from equal: Σ_k (q̄_k − 1/K)².

    Source: as `must_link_loss` (its global size constraint; the released code fixes K at 10).
    """
    return (q.mean(0) - 1 / q.shape[1]).square().sum()
