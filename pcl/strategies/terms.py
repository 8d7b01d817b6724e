"""The two terms of PCL's query score (Eq. 6 and 7), as printed and as released."""

from __future__ import annotations

import torch

from pcl.strategies.base import PairView
from pcl.types import Float, Int64, Tensor

EDGE = 1e-3


def minmax(x: Float[Tensor, "*B"], places: Int64[Tensor, " P"] | None = None) -> Float[Tensor, "*B"]:
    """x scaled so that its values at some places (everywhere if None) span [0, 1]; zeros if they are all equal.

    Values elsewhere are scaled alike and may lie outside.
    """
    values = x if places is None else x.take(places)
    if not values.numel():
        return torch.zeros_like(x)
    low, high = torch.aminmax(values)
    span = high - low
    return (x - low).div_(span) if span.item() > 0 else torch.zeros_like(x)


def uncertainty(view: PairView, epsilon: float) -> Float[Tensor, "B B"]:
    """S_up: pairs whose similarity is nearest to ε first.

        S_up = σ[−|s_ij − ε|],  σ the min-max normalisation, over the pairs that can be asked

    Source: Geng et al., AAAI-25, Eq. 6.
    """
    return minmax(-(view.similarity - epsilon).abs(), view.places)


def hard_negatives(view: PairView) -> Float[Tensor, "B B"]:
    """S_hp: pairs that the features put together but the answers about image j speak against.

        P = σ[s_ij],  Q = σ[Σ_k (1⁺_jk s_ik − 1⁻_jk s_ik)],  S_hp = σ[P log(P/Q)]

    P and Q are kept at least 10⁻³ from 0, where the logarithm ends.

    Source: Geng et al., AAAI-25, Eq. 7.
    """
    s, places = view.similarity, view.places
    # Logarithms cost most of it: only the candidates get one.
    p, q = (minmax(x.take(places)).clamp_(EDGE, 1) for x in (s, s @ view.sign.T))
    score = minmax((p / q).log_().mul_(p))
    return torch.zeros_like(s).flatten().scatter_(0, places, score).view_as(s)


def released_uncertainty(view: PairView, epsilon: float) -> Float[Tensor, "B B"]:
    """The released S_up: tanh of the min-max over all pairs, on the cosines averaged over the views.

    Source: hhdxwen/PCL@943dfcc, train.py.
    """
    return torch.tanh(minmax(-(view.similarity - epsilon).abs()))


def released_hard_negatives(view: PairView) -> Float[Tensor, "B B"]:
    """The released S_hp: pairs first whose similarity in the first view agrees with that across the views.

        −(KL(s‖Q₁) + KL(s‖Q₂)),  Q₁ = c + y∘s,  Q₂ = cᵀ + 2y∘s

    s is the first view's cosine, c the cross-view one, y = ±1 for a known pair and else 0. A known pair counts twice
    in Q₂ because the release writes Q₁ over c, of which its cᵀ is a view. KL is between two-sided (Bernoulli)
    distributions clamped to [10⁻³, 1 − 10⁻³]. Pairs that can be asked have no answer of their own, so that answers
    matter only through the min-max over all pairs.

    Source: hhdxwen/PCL@943dfcc, train.py.
    """
    s, own = view.first, view.sign * view.first

    def divergence(q: Float[Tensor, "B B"]) -> Float[Tensor, "B B"]:
        a, b = (x.clamp(EDGE, 1 - EDGE) for x in (s, q))
        return a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log()

    return minmax(-(divergence(view.cross + own) + divergence(view.cross.T + 2 * own)))
