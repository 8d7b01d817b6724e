"""The relabelled truth with mistakes: what a hurried user would say."""

from __future__ import annotations

from pydantic import Field

from pcl.config import Strict
from pcl.oracles import base
from pcl.seed import numpy_generator


class NoisySettings(Strict):
    """Settings of the noisy oracle: `flip` is the probability of the wrong answer."""

    flip: float = Field(ge=0, le=1)


class Oracle(base.Oracle):
    """Says the opposite of the truth with probability `flip`.

    Whether a pair is flipped depends on the seed and the pair only: neither the order of the questions nor
    asking twice changes an answer. Flipped answers may contradict each other once closed.

    Source: independent flips are the usual model of a noisy annotator.
    """

    version = 1
    needs_targets = True
    Settings = NoisySettings
    settings: NoisySettings

    def reply(self, question: base.Question) -> bool:
        """The truth, or its opposite."""
        pair = min(question.i, question.j), max(question.i, question.j)
        draw = numpy_generator(self.context.seed, "noisy oracle", *pair).random()
        return self.same(question) != (draw < self.settings.flip)
