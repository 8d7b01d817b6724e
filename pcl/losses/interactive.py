"""IDC's losses: on images that a question has assigned, on clusters that it has ruled out, and on sure images.

Source: Liu et al., "Interactive Deep Clustering via Value Mining", NeurIPS 2024 (IDC); its released code was read.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from pcl.types import Float, Int64, Tensor

VERSION = 1

TINY = 1e-5


def balanced_cross_entropy(logits: Float[Tensor, "B K"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
    """Cross-entropy in which every cluster that is there counts alike; 0 where there is no image.

        L = Σ_i w_{y_i} (−log softmax(a_i)_{y_i}) / Σ_i w_{y_i},   w_k = B / |{i: y_i = k}|

    Source: IDC, L_pos and L_reg. Differs: an empty batch gives 0, not 0/0.

    Args:
        logits: a.
        labels: y, in 0 to K − 1.
    """
    if not len(labels):
        return logits.sum() * 0
    counts = labels.bincount(minlength=logits.shape[1]).clamp_min(1)
    weights = (len(labels) / counts).to(logits.dtype)
    return F.cross_entropy(logits, labels, weights)


def rejection(logits: Float[Tensor, "B K"], rejected: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
    """Mean of −log(1 − p_t) for a cluster t that each image is known not to be in; 0 where there is no image.

    Source: IDC, L_neg, with 1 − p_t at least 10⁻⁵.

    Args:
        logits: of softmax p.
        rejected: t, one of the clusters that were refused.
    """
    if not len(rejected):
        return logits.sum() * 0
    p = logits.softmax(1).gather(1, rejected[:, None])
    return -(1 - p).clamp_min(TINY).log().mean()


def sure_labels(
    p: Float[Tensor, "B K"], labels: Int64[Tensor, " B"], share: float, enter: float, leave: float
) -> Int64[Tensor, " B"]:
    """The labels that a batch's images give themselves: −1 for none.

    A label stays while the largest probability is `leave` or more. Of every cluster, the ⌈share · B/K⌉ surest images
    that exceed `enter` get its label, in the place of any that they have.

    Source: IDC, L_reg.

    Args:
        p: probabilities of unaugmented images.
        labels: those of before, −1 for none.
        share: in [0, 1].
        enter: in [0, 1].
        leave: in [0, 1].
    """
    sureness, cluster = p.max(1)
    kept = torch.where(sureness >= leave, labels, -1)
    most = min(math.ceil(share * len(p) / p.shape[1]), len(p))
    own = torch.where(cluster[:, None] == torch.arange(p.shape[1], device=p.device), sureness[:, None], -1.0)
    surest, images = own.topk(most, dim=0)
    chosen = images[surest > enter]
    kept[chosen] = cluster[chosen]
    return kept
