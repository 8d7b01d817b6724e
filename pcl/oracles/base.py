"""What every oracle has: one question, and a budget that it owns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from pcl.errors import UserError


class BudgetExhausted(UserError):
    """A question was asked after the last one that the budget pays for."""


class Oracle(ABC):
    """Answers questions about N images until its budget is spent.

    Attributes:
        labels: target cluster per image, int [N].
        remaining: answers that it will still give.
        seed: of everything random in its answers.
        files: settings that name files.
    """

    files: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, labels: ArrayLike, *, budget: int, seed: int) -> None:
        """Know the labels and the budget.

        Raises:
            UserError: the budget is negative.
        """
        if budget < 0:
            raise UserError(f"budget: {budget} questions cannot be asked; use 0 or more")
        self.labels, self.seed = np.asarray(labels), seed
        self._budget, self._spent = budget, 0

    @property
    def remaining(self) -> int:
        """Answers that the budget still pays for."""
        return self._budget - self._spent

    def answer(self, i: int, j: int) -> bool | None:
        """Whether images i and j belong to the same cluster; None (unsure) costs nothing.

        Raises:
            BudgetExhausted: the budget is spent.
        """
        if self.remaining == 0:
            raise BudgetExhausted(
                f"images {i} and {j}: the budget of {self._budget} questions is spent; raise it to ask more"
            )
        same = self._reply(i, j)
        self._spent += same is not None
        return same

    @abstractmethod
    def _reply(self, i: int, j: int) -> bool | None:
        """The answer itself."""
