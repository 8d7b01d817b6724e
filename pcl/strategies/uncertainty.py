"""Asks about the pair whose similarity is most uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Scoring):
    """S_up alone, a row of Table 5.

    Source: Geng et al., AAAI-25, Eq. 6; reference code hhdxwen/PCL@943dfcc, train.py.
    """

    version = 2
    Settings = base.UncertaintySettings
    settings: base.UncertaintySettings

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """S_up as the score."""
        from pcl.strategies import terms

        score = terms.uncertainty if self.settings.form == "paper" else terms.released_uncertainty
        return {"score": score(view, self.settings.epsilon)}
