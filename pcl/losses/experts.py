"""A mixture of contrastive experts: which expert an image belongs to, and how well that expert tells it apart (MiCE).

Each of K experts has its own embedding of an image; Q keys of earlier images wait in a queue, one per expert.
Source: Tsai, Li & Zhu, ICLR 2021 (MiCE); reference code TsungWeiTsai/MiCE@ddcce45, ELBO.py (no licence: formulas
only).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pcl.errors import UserError
from pcl.types import Float, Tensor

VERSION = 1


def simplex(clusters: int, features: int) -> Float[Tensor, "K M"]:
    """ω, K unit vectors as far apart as can be: ω_k·ω_l = −1/(K−1).

    Row by row, each vector takes one more axis: ω_kk = √(K(K−k) / ((K−1)(K−k+1))), and every later row has
    −ω_kk/(K−k) there. That is the recursion that the gate's fixed prototypes are published with, solved.

    Source: MiCE, Max-Mahalanobis centres; the released tables stop at K = 10, 15 and 20.

    Args:
        clusters: K ≥ 2.
        features: M ≥ K − 1.

    Raises:
        UserError: M is too small for K such vectors to exist.
    """
    if features < clusters - 1:
        raise UserError(
            f"{clusters} gating prototypes need {clusters - 1} features or more, not {features}: "
            f"give the gating head more features"
        )
    omega = torch.zeros(clusters, features, dtype=torch.float64)
    for k in range(clusters - 1):
        later = clusters - 1 - k
        omega[k, k] = (clusters * later / ((clusters - 1) * (later + 1))) ** 0.5
        omega[k + 1 :, k] = -omega[k, k] / later
    return omega.to(torch.get_default_dtype())


def log_gate(g: Float[Tensor, "B M"], omega: Float[Tensor, "K M"], temperature: float = 1.0) -> Float[Tensor, "B K"]:
    """log π, how likely each expert is before it has looked: π_k ∝ exp(ω_k·g/κ).

    Args:
        g: gating embedding, unit rows.
        omega: `simplex`.
        temperature: κ > 0.
    """
    return torch.log_softmax(g @ omega.T / temperature, 1)


def log_expert(
    f: Float[Tensor, "B K M"],
    v: Float[Tensor, "B K M"],
    mu: Float[Tensor, "K M"],
    queue: Float[Tensor, "Q K M"],
    temperature: float = 1.0,
) -> Float[Tensor, "B K"]:
    """log Φ, how well expert k finds an image's own key among the queued ones.

        Φ_k = exp(v_k·a_k/τ) / ( exp(v_k·a_k/τ) + Σ_n exp(q_nk·a_k/τ) ),  a_k = f_k + μ_k/‖μ_k‖

    Args:
        f: the student's embedding per expert, unit length.
        v: the teacher's embedding of another view, unit length.
        mu: prototypes of any length.
        queue: keys of earlier images.
        temperature: τ > 0.
    """
    anchor = f + F.normalize(mu, dim=1)
    own = (v * anchor).sum(2) / temperature
    others = torch.einsum("bkm,qkm->bkq", anchor, queue) / temperature
    return own - torch.logaddexp(own, others.logsumexp(2))


def negative_elbo(log_pi: Float[Tensor, "B K"], log_phi: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """Mean of −log Σ_k π_k Φ_k.

    The negative evidence lower bound at the exact posterior is the negative log marginal, in value and gradient.
    """
    return -(log_pi + log_phi).logsumexp(1).mean()


def posterior(log_pi: Float[Tensor, "B K"], log_phi: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Cluster probabilities r_k ∝ π_k Φ_k: which expert an image belongs to, once all have looked."""
    return torch.softmax(log_pi + log_phi, 1)


def prototype_sums(v: Float[Tensor, "B K M"], posterior: Float[Tensor, "B K"]) -> Float[Tensor, "K M"]:
    """Per cluster, the sum of its expert's keys over the images that fall in it: Σ_{b: argmax r_b = k} v_bk.

    Sums of batches add up to those of an epoch.
    """
    member = F.one_hot(posterior.argmax(1), posterior.shape[1]).to(v.dtype)
    return torch.einsum("bk,bkm->km", member, v)


def updated_prototypes(sums: Float[Tensor, "K M"], old: Float[Tensor, "K M"]) -> Float[Tensor, "K M"]:
    """μ after an epoch: each sum at unit length.

    Differs: a cluster that nothing fell in keeps its old prototype; the release gives it zeros.
    """
    return torch.where(sums.norm(dim=1, keepdim=True) > 0, F.normalize(sums, dim=1), old)
