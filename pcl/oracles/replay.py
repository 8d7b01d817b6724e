"""The answers of an earlier run or of a person, given again from the log."""

from __future__ import annotations

from os import PathLike

from numpy.typing import ArrayLike

from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.oracles import base
from pcl.oracles.log import read


class Oracle(base.Oracle):
    """Looks each pair up in an answer log, in whatever order it is asked; the labels are not used.

    A pair that was first skipped and answered later is answered at once. Answers that contradict each other
    only once closed are refused where they are closed, in `Constraints`.

    Source: the log is the run folder's answers.jsonl.
    """

    def __init__(self, labels: ArrayLike, *, budget: int, seed: int, log: str | PathLike[str]) -> None:
        """Read the log.

        Raises:
            UserError: the log is missing or broken, answers a pair both ways, or names images out of range.
        """
        super().__init__(labels, budget=budget, seed=seed)
        self._log = log
        answers = read(log)
        try:
            Constraints.fold(len(self.labels), ((a.i, a.j, a.same) for a in answers), closure="none")
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
