"""Losses on distances to the medoids of groups: near to one's own, away from those that one differs from (CODAC)."""

from __future__ import annotations

import math

import torch

from pcl.types import Bool, Float, Tensor

VERSION = 1


def softmin(values: Float[Tensor, "B C"], among: Bool[Tensor, "B C"], sharpness: float = 10.0) -> Float[Tensor, " B"]:
    """A smooth smallest value, −1/ω log mean exp(−ω v), between the least and the mean; ∞ among none.

    Args:
        values: v.
        among: which of them count.
        sharpness: ω > 0.
    """
    logits = (-sharpness * values).masked_fill(~among, -math.inf)
    count = among.sum(1)
    some = count > 0
    found = torch.logsumexp(logits[some], 1) - count[some].log()
    return values.new_full((len(values),), math.inf).masked_scatter(some, -found / sharpness)


def medoid_losses(
    squares: Float[Tensor, "B C"],
    must: Bool[Tensor, "B C"],
    cannot: Bool[Tensor, "B C"],
    near: float,
    far: float,
    size: int,
    sharpness: float = 10.0,
) -> dict[str, Float[Tensor, ""]]:
    """What answers say of the distances d² between images and medoids; each a mean, 0 of nothing.

        must    mean over must-links of   relu(d²_ic − δ_m²) / D
        cannot  mean over cannot-links of relu(δ_c² − d²_ic) / D
        other   mean over cannot-links of relu(softmin_{c' not differed from} d²_ic' − d²_ic) / D

    Source: edahelsinki/codac@bce4e51.

    Args:
        squares: d².
        must: which medoids an image is known to be with.
        cannot: which ones it is known to differ from.
        near: δ_m², within which a must-link is met.
        far: δ_c², beyond which a cannot-link is met.
        size: D, dimensions of the embedding.
        sharpness: ω of `softmin`.
    """
    other = softmin(squares, ~cannot, sharpness)[:, None].expand_as(squares)
    able = cannot & other.isfinite()
    return {
        "must": _mean(squares[must] - near) / size,
        "cannot": _mean(far - squares[cannot]) / size,
        "other": _mean(other[able] - squares[able]) / size,
    }


def _mean(excess: Float[Tensor, " P"]) -> Float[Tensor, ""]:
    return excess.clamp_min(0).sum() / max(len(excess), 1)
