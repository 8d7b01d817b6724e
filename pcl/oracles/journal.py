"""The answers of a run on disk, each as soon as it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pcl import artifacts
from pcl.errors import UserError
from pcl.oracles import log
from pcl.oracles.base import Assignment, Question, Reply


class BudgetExhausted(UserError):
    """A question was asked after the last one that the budget pays for."""


class Journal:
    """Stands between a training and whoever answers: owns the budget, and asks nobody the same question twice.

    An answer is appended to the log and synced before the training hears it. A training that was killed asks its
    questions again from its last checkpoint on; those that are in the log are answered from it.

    Attributes:
        path: the log. It may hold more answers than the training has heard, and lacks none of them; a pair that is
            asked again adds no line.
        remaining: answers that the budget still pays for; "not sure" costs nothing.
    """

    def __init__(
        self,
        path: Path,
        reply: Callable[[Question], Reply],
        *,
        budget: int,
        heard: Sequence[log.Answer] = (),
    ) -> None:
        """Open the log, and begin it with what the training has heard before if there is none yet.

        Args:
            path: the log.
            reply: who answers.
            budget: answers that may be given, those heard included.
            heard: the answers that the training starts from.

        Raises:
            UserError: the budget is negative, or the log cannot be read or written.
        """
        if budget < 0:
            raise UserError(f"budget: {budget} questions cannot be asked; use 0 or more")
        self.path, self._reply, self._budget = path, reply, budget
        self.remaining = budget - sum(answer.same is not None for answer in heard)
        written = _whole_lines(path) if path.exists() else []
        if not {_pair(answer) for answer in heard} <= {_pair(answer) for answer in written}:
            artifacts.write(path, log.dump(heard))
            written = list(heard)
        self._count = len(written)
        self._given = {_pair(answer): _reply(answer) for answer in written}

    def answer(self, question: Question) -> Reply:
        """What the log says of a question; if it says nothing, what the one who answers says, once it is on disk.

        Raises:
            BudgetExhausted: the budget is spent.
            UserError: the log cannot be written, or there is no answer.
        """
        if self.remaining == 0:
            raise BudgetExhausted(
                f"images {question.i} and {question.j}: the budget of {self._budget} questions is spent; raise it to "
                "ask more"
            )
        pair = _pair(question)
        if pair not in self._given:
            self._append(question, reply := self._reply(question))
            self._given[pair] = reply
        reply = self._given[pair]
        self.remaining -= reply is not None
        return reply

    def _append(self, question: Question, reply: Reply) -> None:
        self._count += 1
        artifacts.append(self.path, log.dump([log.answered(question, self._count, reply)]))


def _pair(asked: Question | log.Answer) -> object:
    """What makes two questions one: a pair in either order; an image and its prototypes."""
    if isinstance(asked, Assignment | log.Assigned):
        return asked.i, asked.prototypes
    return frozenset((asked.i, asked.j))


def _reply(answer: log.Answer) -> Reply:
    return answer.chosen if isinstance(answer, log.Assigned) else answer.same


def _whole_lines(path: Path) -> list[log.Answer]:
    artifacts.whole_lines(path)
    return log.read(path)
