"""What a run has asked, what it was answered, and what follows for the images of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pcl.constraints import Bools, Constraints, Links
from pcl.oracles.log import Answer


@dataclass
class Known:
    """The answers of a run in order, and their consequences.

    Attributes:
        constraints: what the answers say.
        budget: questions that may be answered.
        answers: all of them, "not sure" too.
        unsure: pairs i < j that were answered "not sure"; they cost nothing and are not asked again.
        pseudo_links: pairs that count as must-links without an answer.
        spent: questions answered "same" or "different".
    """

    constraints: Constraints
    budget: int
    answers: list[Answer] = field(default_factory=list)
    unsure: list[tuple[int, int]] = field(default_factory=list)
    pseudo_links: list[tuple[int, int]] = field(default_factory=list)
    spent: int = 0
    _closed: Constraints | None = None

    @property
    def closed(self) -> Constraints:
        """What follows from the answers, whether the run trains on that or not.

        Raises:
            Contradiction: the answers contradict each other, which shows only here where nothing is closed.
        """
        if self.constraints.closure == "full":
            return self.constraints
        if self._closed is None:
            given = (fact for answer in self.answers for fact in answer.facts)
            self._closed = Constraints.fold(self.constraints.n, given)
        return self._closed

    @property
    def remaining(self) -> int:
        """Questions left in the budget."""
        return self.budget - self.spent

    def open(self, i: int, j: int) -> bool:
        """Whether nothing is known about a pair i < j, and nobody was unsure about it."""
        return self.constraints.relation(i, j) is None and (i, j) not in self.unsure

    def record(self, answer: Answer) -> None:
        """Add an answer to the log and draw its consequences; "not sure" costs nothing and says nothing.

        Raises:
            Contradiction: earlier answers imply the opposite.
        """
        if answer.same is None:
            self.unsure.append((min(answer.i, answer.j), max(answer.i, answer.j)))
        for fact in answer.facts:
            self.constraints.add(*fact)
            if self._closed is not None:
                self._closed.add(*fact)
        self.answers.append(answer)
        self.spent += answer.same is not None

    def links(self, index: np.ndarray) -> Links:
        """The known must-links and cannot-links among some training images."""
        return self.constraints.links(index)

    def pairs_among(self, pairs: list[tuple[int, int]], index: np.ndarray) -> Bools:
        """Which of the pairs are among some training images, as a symmetric matrix [B, B]."""
        matrix = np.zeros((len(index), len(index)), dtype=bool)
        if pairs:
            place = np.full(self.constraints.n, -1)
            place[index] = np.arange(len(index))
            rows = place[np.array(pairs)]
            a, b = rows[(rows >= 0).all(1)].T
            matrix[a, b] = matrix[b, a] = True
        return matrix
