"""Contrast over a graph of nearest neighbours (GCC), and between the clusters of neighbours (GCC, PICA).

Source: Zhong et al., ICCV 2021 (GCC); reference code mynameischaos/GCC@530c11b, losses/losses.py and utils/memory.py
(CC BY-NC 4.0: formulas only).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from pcl.losses.contrastive import balance
from pcl.types import Float, Int64, Tensor

VERSION = 2

# 512 rows against 60 000 images are 120 MB of similarities.
CHUNK = 512


def neighbours(features: Float[Tensor, "N M"], count: int) -> Int64[Tensor, "N columns"]:
    """The count + 1 images with the largest inner product with each image, best first; ties in any order.

    On unit rows column 0 is the image itself or its equal. On rows of other lengths it need not be.

    Args:
        features: compared as they are; unit rows give cosine neighbours.
        count: neighbours besides the image itself, < N.
    """
    return torch.cat([(rows @ features.T).topk(count + 1).indices for rows in features.split(CHUNK)])


def degree_weights(neighbours: Int64[Tensor, "N columns"]) -> Float[Tensor, " N"]:
    """w_i = √(3/|N(i)|), N(i) all that i names or that name i, and i: the much-named count less.

    It stands in for the normalised Laplacian of the paper's graph.

    Args:
        neighbours: indices of images, repeats allowed.
    """
    images = len(neighbours)
    i = torch.arange(images, device=neighbours.device)
    source, target = i.repeat_interleave(neighbours.shape[1]), neighbours.flatten()
    edges = torch.cat([i * images + i, source * images + target, target * images + source]).unique()
    degree = torch.bincount(edges // images, minlength=images)
    return (degree / 3).rsqrt()  # rather than sqrt(), whose last bit differs between processors


def pretext_contrast(
    z_a: Float[Tensor, "B M"], z_b: Float[Tensor, "B M"], temperature: float, self_term: bool = True
) -> Float[Tensor, ""]:
    """Mean cross-entropy of finding an image's second view, from its first, among all rows of the batch.

        L = 1/B Σ_i −log( exp(a_i·b_i/τ) / (Σ_j exp(a_i·a_j/τ) + Σ_j exp(a_i·b_j/τ)) )

    Source: GCC's representation loss before there is a graph.

    Args:
        z_a: first views, unit rows.
        z_b: second views, unit rows.
        temperature: τ > 0.
        self_term: whether j = i is in the first sum, which then keeps L above log 2. Released: yes; without it L is
            SCAN's SimCLR loss (wvangansbeke/Unsupervised-Classification@952ec31).
    """
    logits = z_a @ z_b.T / temperature
    total = torch.cat([_among_anchors(z_a, temperature, self_term), logits], 1).logsumexp(1)
    return (total - logits.diagonal()).mean()


def graph_contrast(
    z_a: Float[Tensor, "B M"],
    z_b: Float[Tensor, "B M"],
    neighbour_z: Float[Tensor, "views B M"],
    weights: Float[Tensor, "views B"],
    temperature: float,
    self_term: bool = True,
) -> Float[Tensor, ""]:
    """The same contrast with neighbours as further positives; below 0 where positives outweigh all else.

        L = 1/B Σ_i −log( P_i / (Σ_j exp(a_i·a_j/τ) + Σ_{j≠i} exp(a_i·b_j/τ) + Σ_m Σ_{j≠i} exp(w_mj a_i·n_mj/τ)) )
        P_i = exp(a_i·b_i/τ) + Σ_m w_mi exp(w_mi a_i·n_mi/τ)

    Positives are not in the denominator, and a neighbour's weight acts twice on its own image.

    Source: GCC's representation graph contrast, as released.

    Args:
        z_a: first views, unit rows.
        z_b: second views, unit rows.
        neighbour_z: n, a view of one neighbour of each image per m, unit rows.
        weights: w > 0, `degree_weights` of those neighbours.
        temperature: τ > 0.
        self_term: whether j = i is in the first sum. Released: yes; without it B ≥ 2.
    """
    candidates = torch.cat([z_b[None], weights[:, :, None] * neighbour_z])
    logits = torch.einsum("bm,vjm->bvj", z_a, candidates) / temperature
    own = logits.diagonal(dim1=0, dim2=2)
    positives = torch.cat([own[:1], own[1:] + weights.log()]).logsumexp(0)
    same = torch.eye(len(z_a), dtype=torch.bool, device=z_a.device)[:, None]
    others = logits.masked_fill(same, -math.inf).flatten(1)
    total = torch.cat([_among_anchors(z_a, temperature, self_term), others], 1).logsumexp(1)
    return (total - positives).mean()


def assignment_contrast(
    p: Float[Tensor, "B K"], p_neighbour: Float[Tensor, "B K"], entropy_weight: float = 2.0
) -> Float[Tensor, ""]:
    """Contrast between the columns of images' and their neighbours' cluster probabilities, plus their balance.

        L = 1/K Σ_k −log( exp(s_kk) / Σ_l exp(s_kl) ) + λ (log K + Σ_k p̄_k log p̄_k)

    s_kl is the cosine between column k of p and column l of the other; p̄ the mean of p alone. Between
    log(1 + (K−1)/e), the clusters sure and equal, and log K at equal probabilities.

    Source: GCC's assignment graph contrast; Huang, Gong & Zhu, CVPR 2020 (PICA), partition uncertainty index, with a
    perturbed view in the neighbour's place (Raymond-sci/PICA@a82957e, pica/losses.py).

    Args:
        p: cluster probabilities of the images.
        p_neighbour: those of a neighbour, or of another view, of each.
        entropy_weight: λ ≥ 0; both sources have 2.
    """
    similarity = F.normalize(p, dim=0).T @ F.normalize(p_neighbour, dim=0)
    contrast = F.cross_entropy(similarity, torch.arange(p.shape[1], device=p.device))
    return contrast + entropy_weight * balance(p)


def _among_anchors(z: Float[Tensor, "B M"], temperature: float, self_term: bool) -> Float[Tensor, "B B"]:
    """Logits between the first views, the diagonal at −∞ unless wanted."""
    logits = z @ z.T / temperature
    return logits if self_term else logits.fill_diagonal_(-math.inf)
