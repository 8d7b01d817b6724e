"""What an oracle is: it looks at a run from outside and answers one question at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pcl.config import Strict


@dataclass(frozen=True)
class Question:
    """Are training images i and j in the same cluster?

    Attributes:
        i: an image.
        j: another image.
        step: training step at which it is asked.
        epoch: epoch at which it is asked.
        stage: stage in which it is asked.
        terms: the score terms that chose the pair, by name.
    """

    i: int
    j: int
    step: int = 0
    epoch: int = 0
    stage: str = ""
    terms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Assignment(Question):
    """Which of T prototypes is training image i with, or is it with none of them?

    Attributes:
        others: the prototypes after the first one, which is j: the likeliest first.
        clusters: the cluster that whoever asks gives every training image, int [N]; in no log.
    """

    others: tuple[int, ...] = ()
    clusters: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    @property
    def prototypes(self) -> tuple[int, ...]:
        """All of them."""
        return (self.j, *self.others)


Reply = bool | int | None
"""Of a question about a pair, whether it is in one cluster. Of an assignment, the number of the prototype, from 1, or
0: none of them; so that True and False say "the first" and "none". None is "not sure"."""


@dataclass(frozen=True)
class Context:
    """All that an oracle may look at.

    Attributes:
        size: N, the number of training images.
        seed: of everything random in its answers.
        clusters: the names of the target clusters; none where nobody has named them.
        targets: target cluster of every training image, int [N]; None where nobody knows them.
        image: a training image by its position, uint8 [H, W, C].
    """

    size: int
    seed: int
    clusters: tuple[str, ...]
    targets: NDArray[np.int64] | None
    image: Callable[[int], NDArray[np.uint8]]


class Oracle(ABC):
    """Answers questions: final subclasses only, each named `Oracle` in a file of its own.

    Budget and log are the journal's; an oracle only replies.

    Attributes:
        version: raised by hand when the same settings would give other answers.
        interactive: whether a person answers, so that equal runs may differ. Snakemake does not start such runs.
        needs_targets: whether it answers from the target clusters.
        files: settings that name files; in a run's key they count by their content.
    """

    version: ClassVar[int]
    Settings: ClassVar[type[Strict]] = Strict
    interactive: ClassVar[bool] = False
    needs_targets: ClassVar[bool] = False
    files: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: Any, context: Context) -> None:
        """Know the settings and what there is to see.

        Raises:
            UserError: a file of the settings cannot be used.
        """
        self.settings, self.context = settings, context

    @abstractmethod
    def reply(self, question: Question) -> bool | None:
        """Whether the two images belong to the same cluster; None is "not sure".

        Raises:
            UserError: there is no answer, and none can be had by asking again.
        """

    def answer(self, question: Question) -> Reply:
        """The reply to a question of either kind.

        An image is held against one prototype after the other, as a fair user would who knows no more than pairs.

        Raises:
            UserError: there is no answer, and none can be had by asking again.
        """
        if not isinstance(question, Assignment):
            return self.reply(question)
        for number, prototype in enumerate(question.prototypes, start=1):
            same = self.reply(Question(question.i, prototype, question.step, question.epoch, question.stage))
            if same is None:
                return None
            if same:
                return number
        return 0

    def same(self, question: Question) -> bool:
        """Whether the target clusters of the two images are equal; for oracles with `needs_targets`."""
        assert self.context.targets is not None, "an oracle that needs targets is not planned where there are none"
        return bool(self.context.targets[question.i] == self.context.targets[question.j])
