"""Soft assignment to centroids with a Student-t kernel, and the target it is pulled to (DEC and its family)."""

from __future__ import annotations

from pcl.types import Float, Tensor

VERSION = 1


def soft_assignment(distances: Float[Tensor, "B K"], power: int = 1) -> Float[Tensor, "B K"]:
    """Cluster probabilities from squared distances: q_ik ∝ (1 + d²_ik)^−power.

    Source: Xie et al., ICML 2016 (DEC), Eq. 1 with α = 1, where the power is (α + 1)/2 = 1.
    Differs: DCC's released code (blueocean92/deep_constrained_clustering@22e5c98) has power 2 by a slip of operator
    precedence.
    """
    kernel = (1 + distances).pow(-power)
    return kernel / kernel.sum(1, keepdim=True)


def target_distribution(q: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """The sharpened, size-corrected assignment p_ik ∝ q²_ik / Σ_i q_ik, over the whole set and detached.

    Source: DEC, Eq. 3.
    """
    q = q.detach()
    weight = q.square() / q.sum(0)
    return weight / weight.sum(1, keepdim=True)


def kl_divergence(p: Float[Tensor, "B K"], q: Float[Tensor, "B K"], smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Mean over images of Σ_k p log(p / (q + smoothing)), with 0·log 0 = 0.

    Source: DEC, Eq. 2 prints the sum over images; every port takes the mean. DCC's code smooths by 10⁻⁶.
    """
    return (p.xlogy(p) - p * (q + smoothing).log()).sum(1).mean()
