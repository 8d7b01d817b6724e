"""Asks about the pair that is hardest to tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcl.strategies import base

if TYPE_CHECKING:
    from pcl.types import Float, Tensor


class Strategy(base.Scoring):
    """S_hp alone, a row of Table 5.

    Source: Geng et al., AAAI-25, Eq. 7; reference code hhdxwen/PCL@943dfcc, train.py.
    """

    version = 2
    Settings = base.ScoreSettings
    settings: base.ScoreSettings

    def scores(self, view: base.PairView) -> dict[str, Float[Tensor, "B B"]]:
        """S_hp as the score."""
        from pcl.strategies import terms

        score = terms.hard_negatives if self.settings.form == "paper" else terms.released_hard_negatives
        return {"score": score(view)}
