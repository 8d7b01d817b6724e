"""Questions in rounds: a strategy chooses, the answers are heard, and it chooses again with what they have taught.

The loop of every method without a network, and what others ask before their first step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import neighbourhoods
from pcl import seed as seeds
from pcl.engine.events import Epoch, Training
from pcl.engine.known import Known
from pcl.oracles import log
from pcl.oracles.base import Assignment, Question, Reply
from pcl.strategies.base import Choice, FeatureView, Mining, Pair

Asked = Generator[Any, Reply, None]
FIRST = 10  # what is asked before anything is learned; later rounds grow with what is known, so that refits stay few
PATIENCE = 20  # answers "not sure" in a row, after which nobody is asked before the first step any more
STAGE = "rounds"


def train(
    choice: Choice,
    features: NDArray[np.float32],
    known: Known,
    clusters: int | None,
    seed: int,
    learn: Callable[[Known], NDArray[np.float32]],
) -> Training:
    """Ask until the budget is spent, or the strategy finds nothing more; yields questions and ends of rounds.

    Args:
        choice: the strategy.
        features: of every training image [N, D].
        known: what has been answered.
        clusters: K; None where nobody knows.
        seed: of the run.
        learn: what is known -> cluster probabilities of every training image [N, K].
    """
    strategy, number = choice.make(), 0
    while known.remaining:
        before = len(known.answers)
        view = seen(features, known, clusters, seed, STAGE, number, learn)
        yield from through(known, strategy.select(view, size(known)), known.budget, STAGE, number)
        number += 1
        if len(known.answers) == before:
            return
        yield Epoch(STAGE, number, {}, known.remaining == 0)


def seen(
    features: NDArray[np.float32],
    known: Known,
    clusters: int | None,
    seed: int,
    stage: str,
    number: int,
    learn: Callable[[Known], NDArray[np.float32]],
) -> FeatureView:
    """What a strategy sees in one round of a stage."""
    return FeatureView(features, clusters, known, seeds.derive(seed, "strategy", stage), number, lambda: learn(known))


def size(known: Known) -> int:
    """How much a round asks about."""
    return max(FIRST, known.spent // 2)


def through(known: Known, pairs: Iterable[Pair], last: int, stage: str, epoch: int) -> Asked:
    """Ask about pairs as they come, less those that answers imply, until `last` answers are known."""
    for a, b, terms in pairs:
        if known.spent >= last or at_a_loss(known, stage):
            return
        i, j = sorted((int(a), int(b)))
        if known.open(i, j):
            yield from ask(known, Question(i, j, 0, epoch, stage, terms))


def assign(known: Known, strategy: Mining, view: FeatureView, count: int, stage: str, epoch: int) -> Asked:
    """Ask, of at most `count` images, which of their prototypes each is with."""
    clusters = strategy.clusters(view)
    for image, (first, *others), terms in strategy.samples(view, count):
        if not known.remaining or at_a_loss(known, stage):
            return
        yield from ask(known, Assignment(image, first, 0, epoch, stage, terms, tuple(others), clusters))


def ask(known: Known, question: Question) -> Asked:
    """Ask one question and record the answer."""
    reply = yield question
    known.record(log.answered(question, len(known.answers) + 1, reply))


def at_a_loss(known: Known, stage: str) -> bool:
    """Whether the last answers before a stage's first step were all "not sure"."""
    unsure = [answer for answer in known.answers[-PATIENCE:] if answer.same is None and answer.stage == stage]
    return len(unsure) == PATIENCE


def by_distance(features: NDArray[np.float32], clusters: int) -> Callable[[Known], NDArray[np.float32]]:
    """What the nearest images of known neighbourhoods say, before anything is trained: p ∝ 1/d [N, K]."""

    def learn(known: Known) -> NDArray[np.float32]:
        found = neighbourhoods.of(known.closed, clusters)
        near = np.full((len(features), clusters), np.inf)
        for own, members in enumerate(found.members()):
            near[:, own] = neighbourhoods.distances(features, features[members]).min(1)
        if not found.count:
            return np.full(near.shape, 1 / clusters, np.float32)
        weight = 1 / np.maximum(near, 1e-12)
        return (weight / weight.sum(1, keepdims=True)).astype(np.float32)

    return learn
