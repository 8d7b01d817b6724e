"""The answers of an earlier run or of a person, given again from the log."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from pcl import layout
from pcl.config import Strict
from pcl.constraints import Closure, Constraints
from pcl.errors import UserError
from pcl.oracles import base
from pcl.oracles.log import Assigned, read


class ReplaySettings(Strict):
    """Settings of the replay: the path of an answers.jsonl, and what may not contradict itself in it."""

    log: str
    closure: Closure = "full"

    @field_validator("log")
    @classmethod
    def _at_home(cls, log: str) -> str:
        """`~` is the home of whoever runs it: the log counts by its content."""
        return str(layout.path(log))


class Oracle(base.Oracle):
    """Looks each pair up in an answer log, in whatever order it is asked; the targets are not used.

    A pair that was first skipped and answered later is answered at once. Answers may not contradict each other, nor,
    with `closure` full, what follows from others: a run never asks what it knows already, and would not notice.

    Source: the log is the run folder's answers.jsonl.
    """

    version = 1
    Settings = ReplaySettings
    settings: ReplaySettings
    files = frozenset({"log"})
    needs_targets = False

    def __init__(self, settings: Any, context: base.Context) -> None:
        """Read the log.

        Raises:
            UserError: the log is missing or broken, contradicts itself, or names images out of range.
        """
        super().__init__(settings, context)
        answers = read(self.settings.log)
        pairs = [fact for answer in answers for fact in answer.facts]
        try:
            Constraints.fold(context.size, pairs, closure=self.settings.closure)
        except UserError as error:
            raise UserError(f"{self.settings.log}: {error}") from error
        said = [(frozenset((a.i, a.j)), a.same) for a in answers if not isinstance(a, Assigned)]
        said += [(frozenset((i, j)), same) for a in answers if isinstance(a, Assigned) for i, j, same in a.facts]
        skipped: dict[frozenset[int], bool | None] = {pair: None for pair, _ in said}
        self._same = skipped | {pair: same for pair, same in said if same is not None}

    def reply(self, question: base.Question) -> bool | None:
        """What the log says."""
        i, j = question.i, question.j
        try:
            return self._same[frozenset((i, j))]
        except KeyError:
            raise UserError(
                f"{self.settings.log}: images {i} and {j} were never asked about; a replay answers only what was "
                "recorded, so use the task, orientation, arm and seed of the recorded run"
            ) from None
