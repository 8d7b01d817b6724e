"""Labels that a model gives itself, and the losses that learn from them (SPICE, SCAN).

D-dimensional embeddings come from a frozen backbone. Several cluster heads can be labelled at once: they lead.
Source: Niu, Shan & Wang, IEEE TIP 2022 (SPICE); reference code niuchuangnn/SPICE@5eba538 (CC BY-NC 4.0: formulas
only).
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from pcl.losses.graph import neighbours
from pcl.types import Bool, Float, Int64, Tensor

VERSION = 1


def prototype_labels(
    scores: Float[Tensor, "*heads N K"],
    embedding: Float[Tensor, "N D"],
    center_ratio: float = 0.5,
    ratio: float = 1.0,
) -> Bool[Tensor, "*heads N K"]:
    """Which clusters each image is labelled with: one, several or none; every cluster gets equally many images.

    The images with a cluster's highest scores make its prototype, the mean of their embeddings (not brought back to
    unit length); the images with the largest inner product with the prototype get the label.

    Source: SPICE, prototype pseudo-labelling; spice/model/heads/sem_head.py.

    Args:
        scores: cluster probabilities, N ≥ K.
        embedding: unit rows.
        center_ratio: in (0, 1], the part of N/K images that makes a prototype; one image at least.
        ratio: in (0, 1], the part of N/K images that gets the label.
    """
    images, clusters = scores.shape[-2:]
    share = images // clusters
    center = _highest(scores, max(1, int(center_ratio * share))).to(embedding.dtype)
    prototypes = center.mT @ embedding / center.sum(-2)[..., None]
    return _highest(embedding @ prototypes.mT, int(ratio * share))


def double_softmax(p: Float[Tensor, "*heads B K"], targets: Bool[Tensor, "*heads B K"]) -> Float[Tensor, "*heads"]:
    """Mean cross-entropy over all labels, with probabilities in the place of logits; 0 without a label.

        L = 1/|T| Σ_{(i,k) ∈ T} −log( exp(p_ik) / Σ_l exp(p_il) )

    Its floor is log(1 + (K−1)/e): confidence never stops costing a little. The second softmax is meant.

    Source: SPICE-Self; spice/model/heads/sem_head.py.

    Args:
        p: cluster probabilities.
        targets: T, `prototype_labels` of the batch.
    """
    losses = -torch.log_softmax(p, -1) * targets
    return losses.sum((-2, -1)) / targets.sum((-2, -1)).clamp_min(1)


def reliable(
    embedding: Float[Tensor, "N D"],
    p: Float[Tensor, "N K"],
    count: int,
    agreement: float,
    confidence: float,
    fallback: int,
    generator: torch.Generator,
) -> Int64[Tensor, " kept"]:
    """The images whose cluster can be trusted, ascending, equally many of each cluster.

    Trusted is an image that shares its cluster with enough of its nearest neighbours and is sure of it. At random,
    every cluster is cut to the size of the smallest.

    Source: SPICE, reliable pseudo-labels; spice/model/heads/sem_head_multi.py.
    Differs: a cluster with no trusted image offers its surest ones, and one with no image at all does not count; in
    the release either leaves nothing of any cluster.

    Args:
        embedding: any length, compared by cosine.
        p: cluster probabilities; an image's cluster is the most probable one.
        count: neighbours asked, the image itself among them, ≤ N.
        agreement: in [0, 1], the part of them that must share the cluster.
        confidence: in [0, 1], what the probability must exceed.
        fallback: how many images a cluster without trusted ones offers at most, ≥ 1.
        generator: decides who is cut.
    """
    sureness, cluster = p.max(1)
    near = neighbours(F.normalize(embedding, dim=1), count - 1)
    agreeing = (cluster[near] == cluster[:, None]).sum(1)
    # Compared in float32, where 0.07 · 100 is not above 7.
    trusted = (agreeing.float() >= agreement * count) & (sureness > confidence)
    groups = []
    for k in cluster.unique():
        group = (trusted & (cluster == k)).nonzero().flatten()
        if len(group) == 0:
            members = (cluster == k).nonzero().flatten()
            group = members[sureness[members].topk(min(fallback, len(members))).indices]
        groups.append(group)
    size = min(len(group) for group in groups)
    drawn = [torch.randperm(len(group), generator=generator, device=generator.device)[:size] for group in groups]
    kept = [group[order.to(group.device)] for group, order in zip(groups, drawn, strict=True)]
    return torch.cat(kept).sort().values


def consistency(weak: Float[Tensor, "B K"], strong: Float[Tensor, "B K"], threshold: float) -> Float[Tensor, ""]:
    """Cross-entropy of the strong views against the clusters that the weak views are sure of.

        L = 1/B Σ_i 1[max_k q_ik ≥ t] · −log softmax(strong_i)_{argmax_k q_ik},  q = softmax(weak)

    The mean is over all images, so that few sure ones weigh little.

    Source: Sohn et al., NeurIPS 2020 (FixMatch), Eq. 4; SPICE-Semi, fixmatch_utils.py.

    Args:
        weak: logits of the weakly augmented views; they only choose, and get no gradient.
        strong: logits of the strongly augmented views.
        threshold: t in [0, 1].
    """
    sureness, cluster = torch.softmax(weak, 1).max(1)
    return (F.cross_entropy(strong, cluster, reduction="none") * (sureness >= threshold)).mean()


def neighbour_consistency(p: Float[Tensor, "B K"], p_neighbour: Float[Tensor, "B K"]) -> Float[Tensor, ""]:
    """Mean of −log⟨p_i, p_n(i)⟩, at most 100 an image: neighbours share a cluster, and are sure of it.

    It is DCC's loss of must-links (`pairs.must_link_loss`), made finite.

    Source: Van Gansbeke et al., ECCV 2020 (SCAN), Eq. 2 without its entropy;
    wvangansbeke/Unsupervised-Classification@952ec31, losses/losses.py (CC BY-NC 4.0: formulas only).
    """
    agreement = (p * p_neighbour).sum(1).clamp(max=1)
    return F.binary_cross_entropy(agreement, torch.ones_like(agreement))


def confident_labels(
    weak: Float[Tensor, "B K"], strong: Float[Tensor, "B K"], threshold: float, balanced: bool = True
) -> Float[Tensor, ""]:
    """Weighted mean cross-entropy of strong views against the clusters that the weak views are sure of; 0 if none is.

        L = Σ_i w_{y_i} · −log softmax(strong_i)_{y_i} / Σ_i w_{y_i},  over i with max_k q_ik > t,  q = softmax(weak)

    y_i is the arg max of q_i; w_k = n/n_k, n_k of the n sure images being in cluster k, so that clusters count alike.

    Source: SCAN, Eq. 3; wvangansbeke/Unsupervised-Classification@952ec31, losses/losses.py.
    Differs: the release stops with an error where no image is sure.

    Args:
        weak: logits that only choose; no gradient.
        strong: logits of the strong views.
        threshold: t in [0, 1].
        balanced: False gives every image the weight 1.
    """
    sureness, cluster = torch.softmax(weak.detach(), 1).max(1)
    sure = (sureness > threshold).to(strong.dtype)
    count = sure.new_zeros(weak.shape[1]).index_add(0, cluster, sure)
    weights = sure / count.clamp_min(1)[cluster] if balanced else sure
    losses = F.cross_entropy(strong, cluster, reduction="none")
    # Of weights 1/n_k the sum is the number of clusters that have sure images; the factor n falls out.
    return (weights * losses).sum() / weights.sum().clamp_min(torch.finfo(strong.dtype).tiny)


def _highest(scores: Float[Tensor, "*heads N K"], count: int) -> Bool[Tensor, "*heads N K"]:
    """Per cluster, the images with the highest scores."""
    top = scores.topk(count, dim=-2).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-2, top, True)
