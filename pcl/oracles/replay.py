"""The answers of an earlier run or of a person, given again from the log."""

from __future__ import annotations

from os import PathLike
from typing import Literal

from numpy.typing import ArrayLike

from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.oracles import base
from pcl.oracles.log import read


class Oracle(base.Oracle):
    """Looks each pair up in an answer log, in whatever order it is asked; the labels are not used.

    A pair that was first skipped and answered later is answered at once. Answers may not contradict each other, nor,
    with `closure` full, what follows from others: a run never asks what it knows already, and would not notice.

    Source: the log is the run folder's answers.jsonl.
    """

    files = frozenset({"log"})

    def __init__(
        self,
        labels: ArrayLike,
        *,
        budget: int,
        seed: int,
        log: str | PathLike[str],
        closure: Literal["full", "none"] = "full",
    ) -> None:
        """Read the log.

        Raises:
            UserError: the log is missing or broken, contradicts itself, or names images out of range.
        """
        super().__init__(labels, budget=budget, seed=seed)
        if closure not in ("full", "none"):
            raise UserError(f"oracle replay: closure is {closure!r}; it must be full or none")
        self._log = log
        answers = read(log)
        pairs = ((a.i, a.j, a.same) for a in answers if a.i != a.j)
        try:
            Constraints.fold(len(self.labels), pairs, closure=closure)
        except UserError as error:
            raise UserError(f"{log}: {error}") from error
        skipped = {frozenset((a.i, a.j)): None for a in answers}
        self._same = skipped | {frozenset((a.i, a.j)): a.same for a in answers if a.same is not None}

    def _reply(self, i: int, j: int) -> bool | None:
        try:
            return self._same[frozenset((i, j))]
        except KeyError:
            raise UserError(
                f"{self._log}: images {i} and {j} were never asked about; a replay answers only what was "
                "recorded, so use the task, orientation, arm and seed of the recorded run"
            ) from None
