"""OCC's active contrastive loss: the images that answers put together are further positives of an image.

Rows are the two views of a batch of B images, stacked: R = 2B. Source: Wang et al., "Oracle-guided Contrastive
Clustering" (OCC), Eq. 1 to 5; no code was released.
"""

from __future__ import annotations

import torch

from pcl.losses.constrained import cosine
from pcl.types import Bool, Float, Tensor

VERSION = 1


def active_contrast(rows: Float[Tensor, "R M"], extra: Float[Tensor, "B B"], temperature: float) -> Float[Tensor, ""]:
    """How much of a row's similarity goes to its positives: its other view, and those that answers give it.

        ℓ_i = ( s(i, i⁺) + Σ_j C_ij [s(i, jᵃ) + s(i, jᵇ)] ) / ( Σ_j (C_ij + 1) · Σ_j [s(i, jᵃ) + s(i, jᵇ)] )
        L = 1/2B Σ_i −log ℓ_i,   s = exp(cos/τ)

    The logarithm is taken of the sum over positives, not of each. As printed, a row is in its own denominator, and
    without answers the first sum there is B: log B that no gradient sees.

    Source: OCC, Eq. 3 and 4.

    Args:
        rows: both views stacked; row i and row i + B are the two views of an image.
        extra: C, ≥ 0, 0 on the diagonal; one entry stands for all pairs of views.
        temperature: τ > 0.
    """
    logits = cosine(rows) / temperature
    views = torch.eye(len(rows), dtype=logits.dtype, device=rows.device).roll(len(extra), 0)
    positives = torch.logsumexp(logits + (views + extra.repeat(2, 2)).log(), 1)
    scale = (extra.sum(1) + len(extra)).log().repeat(2)
    return (scale + torch.logsumexp(logits, 1) - positives).mean()


def column_contrast(p: Float[Tensor, "R K"], temperature: float) -> Float[Tensor, ""]:
    """The same between the columns of both views' cluster probabilities, to which answers add nothing: L(Ŷᵀ, 0)."""
    columns = torch.cat([view.T for view in p.chunk(2)])
    return active_contrast(columns, columns.new_zeros(p.shape[1], p.shape[1]), temperature)


def extra_positives(links: Bool[Tensor, "B B"], emphasis: float, passed: float) -> Float[Tensor, "B B"]:
    """C: λ for a must-link, 0 elsewhere; λ falls from `emphasis` to 0 along a line.

        λ = emphasis · (1 − passed)

    Source: OCC, Eq. 1, with its λ = 0.05 · (1000 − e) in 1,000 epochs: an emphasis of 50.

    Args:
        links: must-links, symmetric.
        emphasis: λ at first, ≥ 0.
        passed: in [0, 1), the share of the epochs that is over.
    """
    return links.float() * (emphasis * (1 - passed))
