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

    def same(self, question: Question) -> bool:
        """Whether the target clusters of the two images are equal; for oracles with `needs_targets`."""
        assert self.context.targets is not None, "an oracle that needs targets is not planned where there are none"
        return bool(self.context.targets[question.i] == self.context.targets[question.j])
