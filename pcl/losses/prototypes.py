"""Clusters as prototypes on the unit sphere: what images are told to be of, and the losses that learn it.

Source: Caron et al., NeurIPS 2020 (SwAV, DeepCluster-v2); reference code facebookresearch/swav@06b1b7c (CC BY-NC 4.0:
formulas only). Caron et al., ECCV 2018 (DeepCluster); facebookresearch/deepcluster@2d1927e (CC BY-NC 4.0, likewise).
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from pcl.types import Float, Int64, Tensor

VERSION = 1

CHUNK = 4096


def sinkhorn(scores: Float[Tensor, "B P"], epsilon: float, iterations: int) -> Float[Tensor, "B P"]:
    """Codes: soft assignments of a batch that use all prototypes about equally; no gradient.

        Q ∝ exp(s/ε), then so many times: columns divided by their sums, rows by theirs

    Rows sum to 1; columns only nearly to B/P, because rows come last. Computed on logarithms.

    Source: SwAV, Section 3; main_swav.py, distributed_sinkhorn.

    Args:
        scores: s, inner products with the prototypes.
        epsilon: ε > 0; small ones make codes hard.
        iterations: 1 or more.
    """
    logs = scores.detach() / epsilon
    for _ in range(iterations):
        logs = logs - logs.logsumexp(0)
        logs = logs - logs.logsumexp(1, keepdim=True)
    return logs.exp()


def swapped_prediction(
    scores: Float[Tensor, "V B P"], codes: Float[Tensor, "2 B P"], temperature: float
) -> Float[Tensor, ""]:
    """Mean cross-entropy of every view against the codes of the first two views, other than itself.

        L = 1/2 Σ_{a<2} 1/(V−1) Σ_{v≠a} −1/B Σ_i Σ_k Q^a_ik log softmax(s^v_i/τ)_k

    Source: SwAV, Eq. 2 and 7; main_swav.py.

    Args:
        scores: s, of V ≥ 2 views.
        codes: Q, `sinkhorn` of the first two.
        temperature: τ > 0.
    """
    logs = torch.log_softmax(scores / temperature, 2)
    each = -torch.einsum("abk,vbk->av", codes, logs) / scores.shape[1]
    return (each.sum() - each.diagonal().sum()) / (2 * (len(scores) - 1))


def spherical_kmeans(
    rows: Float[Tensor, "N M"], start: Float[Tensor, "P M"], iterations: int
) -> tuple[Float[Tensor, "P M"], Int64[Tensor, " N"]]:
    """Centres of unit length and whose each row is: assigned by the largest inner product, then averaged, in turn.

    A centre without rows stays where it is.

    Source: DeepCluster-v2; main_deepclusterv2.py, cluster_memory, 10 iterations.

    Args:
        rows: unit rows.
        start: unit rows, P ≤ N of them.
        iterations: after the last one rows are assigned once more.
    """
    centres = start
    for _ in range(iterations):
        nearest = _nearest(rows, centres)
        sums = torch.zeros_like(centres).index_add(0, nearest, rows)
        empty = torch.bincount(nearest, minlength=len(centres)) == 0
        centres = F.normalize(torch.where(empty[:, None], centres, sums), dim=1)
    return centres, _nearest(rows, centres)


def whitened(features: Float[np.ndarray, "N D"], components: int) -> Float[np.ndarray, "N C"]:
    """Principal components of unit variance, each row brought to unit length; at most so many components.

    Source: DeepCluster; clustering.py, preprocess_features, 256 components.
    """
    from sklearn.decomposition import PCA

    kept = min(components, *features.shape)
    rows = PCA(kept, whiten=True, svd_solver="covariance_eigh").fit_transform(features.astype(np.float64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)).astype(np.float32)


def grouped(
    rows: Float[np.ndarray, "N C"], groups: int, iterations: int, generator: np.random.Generator
) -> Int64[np.ndarray, " N"]:
    """Each row's group, by one start of k-means with so many iterations at most. Source: DeepCluster, 20."""
    from sklearn.cluster import KMeans

    model = KMeans(groups, n_init=1, max_iter=iterations, random_state=int(generator.integers(2**32)))
    return model.fit(rows).labels_.astype(np.int64)


def evenly(labels: Int64[np.ndarray, " N"], generator: np.random.Generator) -> Int64[np.ndarray, " N"]:
    """N images, drawn so that every group is there about equally often, in random order.

    Of each of G groups ⌊N/G⌋ + 1 images, drawn with replacement where there are not more than that; N of all these.

    Source: DeepCluster; util.py, UnifLabelSampler.
    """
    groups = np.unique(labels)
    each = len(labels) // len(groups) + 1
    members = (np.flatnonzero(labels == group) for group in groups)
    drawn = [generator.choice(group, each, replace=len(group) <= each) for group in members]
    return generator.permutation(np.concatenate(drawn))[: len(labels)]


def _nearest(rows: Float[Tensor, "N M"], centres: Float[Tensor, "P M"]) -> Int64[Tensor, " N"]:
    """The centre of the largest inner product, in pieces that fit the memory."""
    return torch.cat([(part @ centres.T).argmax(1) for part in rows.split(CHUNK)])
