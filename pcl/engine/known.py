"""What a run has asked, what it was answered, and what follows for the images of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from pcl.constraints import Constraints
from pcl.oracles.log import Answer
from pcl.types import Bool, Tensor


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
            self.unsure.append((answer.i, answer.j))
        if answer.i != answer.j:
            self.constraints.add(answer.i, answer.j, answer.same)
        self.answers.append(answer)
        self.spent += answer.same is not None

    def links(self, index: np.ndarray) -> tuple[Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
        """The known must-links and cannot-links among some training images."""
        links = self.constraints.links(index)
        return torch.from_numpy(links.must), torch.from_numpy(links.cannot)

    def pairs_among(self, pairs: list[tuple[int, int]], index: np.ndarray) -> Bool[Tensor, "B B"]:
        """Which of the pairs are among some training images, as a symmetric matrix."""
        matrix = torch.zeros(len(index), len(index), dtype=torch.bool)
        if pairs:
            place = np.full(self.constraints.n, -1)
            place[index] = np.arange(len(index))
            rows = place[np.array(pairs)]
            a, b = torch.from_numpy(rows[(rows >= 0).all(1)]).T
            matrix[a, b] = matrix[b, a] = True
        return matrix
