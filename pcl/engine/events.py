"""What both loops, over batches and over rounds, tell whoever drives them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pcl.oracles.base import Question, Reply


@dataclass(frozen=True)
class Epoch:
    """An epoch, or a round of questions, is over: the session may be saved now."""

    stage: str
    number: int
    losses: dict[str, float]
    ended: bool


Training = Generator[Question | Epoch, Reply, None]
