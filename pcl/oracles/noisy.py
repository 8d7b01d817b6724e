"""The relabelled truth with mistakes: what a hurried user would say."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pcl.errors import UserError
from pcl.oracles import base
from pcl.seed import numpy_generator


class Oracle(base.Oracle):
    """Says the opposite of the truth with probability `flip`.

    Whether a pair is flipped depends on the seed and the pair only: neither the order of the questions nor
    asking twice changes an answer. Flipped answers may contradict each other once closed.

    Source: independent flips are the usual model of a noisy annotator.
    """

    def __init__(self, labels: ArrayLike, *, budget: int, seed: int, flip: float) -> None:
        """Know how often to err.

        Raises:
            UserError: flip is no probability, or the budget is negative.
        """
        super().__init__(labels, budget=budget, seed=seed)
        if not (isinstance(flip, int | float) and 0 <= flip <= 1):
            raise UserError(f"oracle noisy: flip is {flip!r}; it must be a probability, 0 to 1")
        self._flip = flip

    def _reply(self, i: int, j: int) -> bool:
        draw = numpy_generator(self.seed, "noisy oracle", min(i, j), max(i, j)).random()
        return bool(self.labels[i] == self.labels[j]) != (draw < self._flip)
