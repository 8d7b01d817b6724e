"""A Gaussian mixture as prior of a variational autoencoder, without and with answered pairs (VaDE, DC-GMM)."""

from __future__ import annotations

import math

import torch

from pcl.types import Bool, Float, Tensor

VERSION = 1

LOG_2PI = math.log(2 * math.pi)


def sample(
    mean: Float[Tensor, "B D"], log_variance: Float[Tensor, "B D"], generator: torch.Generator
) -> Float[Tensor, "B D"]:
    """A draw through which gradients pass: mean + σ⊙ε, ε standard normal."""
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=generator.device)
    return mean + noise.to(mean.device) * (log_variance / 2).exp()


def log_likelihoods(
    z: Float[Tensor, "B D"],
    means: Float[Tensor, "K D"],
    log_variances: Float[Tensor, "K D"],
    log_weights: Float[Tensor, " K"],
) -> Float[Tensor, "B K"]:
    """log π_k N(z_i; μ_k, diag σ²_k) in nats: every cluster's part in the density of z_i.

    Their logsumexp over k is the mixture's log density.

    Args:
        z: points of the latent space.
        means: μ.
        log_variances: log σ².
        log_weights: log π; sums to 1 after exp.
    """
    squares = (z[:, None] - means).square() * (-log_variances).exp()
    return log_weights - (squares + log_variances + LOG_2PI).sum(2) / 2


def responsibilities(
    z: Float[Tensor, "B D"],
    means: Float[Tensor, "K D"],
    log_variances: Float[Tensor, "K D"],
    log_weights: Float[Tensor, " K"],
) -> Float[Tensor, "B K"]:
    """γ_ik = p(k | z_i) by Bayes' rule, normalised in log space. Arguments as for `log_likelihoods`.

    Source: Jiang et al., IJCAI 2017 (VaDE), Eq. 16.
    Differs: DC-GMM's released code (lauramanduchi/DC-GMM@af7dc6e) divides densities kept off 0 by 10⁻³⁰.
    """
    return log_likelihoods(z, means, log_variances, log_weights).softmax(1)


def divergence(
    mean: Float[Tensor, "B D"],
    log_variance: Float[Tensor, "B D"],
    gamma: Float[Tensor, "B K"],
    means: Float[Tensor, "K D"],
    log_variances: Float[Tensor, "K D"],
    log_weights: Float[Tensor, " K"],
) -> dict[str, Float[Tensor, ""]]:
    """KL(q(z, c | x) ‖ p(z, c)) in nats as batch means of its terms, whose sum is never negative.

        log_variance  ½ Σ_k γ_k Σ_d log σ²_kd
        variance      ½ Σ_k γ_k Σ_d s²_d / σ²_kd
        distance      ½ Σ_k γ_k Σ_d (m_d − μ_kd)² / σ²_kd
        prior         −Σ_k γ_k log π_k
        assignment    Σ_k γ_k log γ_k
        posterior     −½ Σ_d (1 + log s²_d)

    No term has the constant D/2·log 2π: that of p(z | c) cancels that of q(z | x).

    Source: Jiang et al., IJCAI 2017 (VaDE): the negative ELBO without its reconstruction.
    Differs: DC-GMM's released code keeps D/2·log 2π in the loss, where it has no gradient.

    Args:
        mean: m of the posterior q(z | x).
        log_variance: log s² of the posterior.
        gamma: γ = q(c | x), rows sum to 1.
        means: μ of the mixture.
        log_variances: log σ² of the mixture.
        log_weights: log π; sums to 1 after exp.
    """
    precisions = (-log_variances).exp()
    squares = (mean[:, None] - means).square() * precisions
    # Off 0, because 0·log 0 has no gradient; a saturated γ underflows to 0.
    log_gamma = gamma.clamp_min(torch.finfo(gamma.dtype).tiny).log()
    terms = {
        "log_variance": gamma @ log_variances.sum(1) / 2,
        "variance": (gamma * (log_variance.exp() @ precisions.T)).sum(1) / 2,
        "distance": (gamma * squares.sum(2)).sum(1) / 2,
        "prior": -gamma @ log_weights,
        "assignment": (gamma * log_gamma).sum(1),
        "posterior": -(1 + log_variance).sum(1) / 2,
    }
    return {name: term.mean() for name, term in terms.items()}


def constraint_term(
    gamma: Float[Tensor, "B K"], must: Bool[Tensor, "B B"], cannot: Bool[Tensor, "B B"], alpha: float
) -> Float[Tensor, ""]:
    """What the answers add to the negative ELBO: −1/B Σ_ij W_ij Σ_k γ_ik γ_jk, W = α(must − cannot).

    The sum is over ordered pairs, so that a pair weighs 2α/B. It is the expectation of DC-GMM's prior
    p(c) ∝ Π_i π_{c_i} Π_{i≠j} exp(W_ij [c_i = c_j]) without its normaliser, which is constant as long as π is fixed.

    Source: Manduchi et al., NeurIPS 2021 (DC-GMM); code lauramanduchi/DC-GMM@af7dc6e, source/model.py.

    Args:
        gamma: γ, rows sum to 1.
        must: known must-links of the batch, symmetric, False on the diagonal.
        cannot: known cannot-links, alike.
        alpha: how far the answers are trusted, in nats; 10,000 in the paper if they are never wrong.
    """
    signs = must.to(gamma.dtype) - cannot.to(gamma.dtype)
    return -alpha * (signs * (gamma @ gamma.T)).sum() / len(gamma)


def confidence(flip: float) -> float:
    """α for answers that are wrong with probability `flip`: 1000·ln((1 − flip)/flip), negative above ½.

    Source: DC-GMM; code lauramanduchi/DC-GMM@af7dc6e, main.py.

    Args:
        flip: in (0, 1); answers that are never wrong would have α = ∞.
    """
    return 1000 * math.log((1 - flip) / flip)
