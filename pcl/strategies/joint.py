"""Asks about uncertain pairs first, and about hard negatives as the budget runs out: PCL's own strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Scoring):
    """S = r·S_up + (1 − r)·S_hp, r the share of the budget that is left.

    Source: Geng et al., AAAI-25, Eq. 8; reference code hhdxwen/PCL@943dfcc, train.py.
    Differs: `form="release"` does not weigh S_up by r.
    """

    version = 2
    Settings = base.UncertaintySettings
    settings: base.UncertaintySettings

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """S with both of its terms."""
        from pcl.strategies import terms

        r = view.remaining
        if self.settings.form == "paper":
            up, hard = terms.uncertainty(view, self.settings.epsilon), terms.hard_negatives(view)
            return {"score": r * up + (1 - r) * hard, "uncertainty": up, "hard": hard}
        up, hard = terms.released_uncertainty(view, self.settings.epsilon), terms.released_hard_negatives(view)
        return {"score": up + (1 - r) * hard, "uncertainty": up, "hard": hard}
