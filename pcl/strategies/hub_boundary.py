"""Pairs a cluster's surest image with its least sure ones (ADC)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Strategy[base.PairView]):
    """In every cluster, pairs of its surest image with its least sure ones, clusters asked about by their size.

    Source: Sun et al., "Active deep image clustering", Knowledge-Based Systems 2022 (ADC), Algorithm 1.
    Differs: what its rounding loses goes to the largest clusters, pairs known already are passed over, and a single
    question, for which the rounding leaves nothing, goes to a cluster drawn by its size.
    """

    version = 1

    def select(self, view: base.PairView, count: int) -> list[base.Pair]:
        """Pairs (hub, boundary image), each with the boundary image's probability of its cluster."""
        clusters = view.p.argmax(1)
        sizes = clusters.bincount(minlength=view.p.shape[1])
        wanted = with_remainder(sizes.tolist(), count) if count > 1 else [1] * len(sizes)
        pairs = hub_and_boundary(view.p, wanted, known=lambda a, b: not view.candidates[min(a, b), max(a, b)])
        if count == 1 and pairs:
            weights = sizes[clusters[[hub for hub, _ in pairs]]].float().to(view.generator.device)
            pairs = [pairs[int(weights.multinomial(1, generator=view.generator))]]
        return [(a, b, {"probability": float(view.p[b, clusters[b]])}) for a, b in pairs]


def shares(sizes: list[int], count: int) -> list[int]:
    """How many of `count` questions each cluster gets, by its size: b_p = min(⌊count·n_p / Σn⌋, n_p − 1), at least 0.

    Source: ADC, Algorithm 1, which prints no bound; a hub has only n_p − 1 images to be paired with.

    Args:
        sizes: n, images in each cluster.
        count: questions to share out; rounding down and the bound may leave some over.
    """
    total = max(sum(sizes), 1)
    return [max(min(count * size // total, size - 1), 0) for size in sizes]


def with_remainder(sizes: list[int], count: int) -> list[int]:
    """`shares`, and what they leave over given out one by one, round after round, from the largest cluster down.

    Sums to `count` unless every cluster has reached n_p − 1. Arguments as for `shares`.
    """
    given = shares(sizes, count)
    by_size = sorted(range(len(sizes)), key=lambda p: -sizes[p])
    left = count - sum(given)
    while left > 0 and (receivers := [p for p in by_size if given[p] < sizes[p] - 1][:left]):
        for p in receivers:
            given[p] += 1
        left -= len(receivers)
    return given


def hub_and_boundary(
    q: Float[Tensor, "n K"], shares: list[int], known: Callable[[int, int], bool] | None = None
) -> list[tuple[int, int]]:
    """For every predicted cluster p: its surest image with each of the b_p least sure.

    Images are ranked by q_ip, equal ones in their order. Where a cluster has fewer unknown pairs with its hub than
    its share, all of them come back.

    Source: ADC, Algorithm 1.

    Args:
        q: cluster probabilities of the images to choose from; an image's cluster is its largest.
        shares: b, pairs wanted in each cluster.
        known: whether the answer to rows i and j of q is known; such a pair is passed over and the next surer
            image taken.

    Returns:
        Pairs (hub, boundary image) as rows of q, cluster by cluster, the least sure image last.
    """
    labels = q.argmax(1)
    chosen: list[tuple[int, int]] = []
    for p, share in enumerate(shares):
        members = (labels == p).nonzero()[:, 0]
        ranked = members[q[members, p].argsort(descending=True, stable=True)].tolist()
        from_last = ((ranked[0], image) for image in reversed(ranked[1:]))
        unknown = (pair for pair in from_last if known is None or not known(*pair))
        chosen += reversed(list(islice(unknown, share)))
    return chosen
