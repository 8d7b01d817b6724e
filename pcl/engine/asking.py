"""Which questions a training asks, and when: before a stage's first step, or one in a batch of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.nn import functional as F

from pcl import seed as seeds
from pcl.engine import rounds
from pcl.engine.rounds import Asked
from pcl.engine.sampler import Batch
from pcl.engine.session import Session
from pcl.engine.stage import chunks
from pcl.engine.trainable import Trainable
from pcl.oracles.base import Question
from pcl.strategies.base import Choice, FeatureView, Mining, PairView, Strategy
from pcl.types import Tensor

FAILURES = 10_000  # draws of known pairs in a row, after which there is taken to be no other


def first(method: Trainable, session: Session) -> Asked:
    """Ask the questions that come before a stage's first step."""
    questions = session.stage.questions
    count = min(questions.first, session.known.remaining)
    if questions.by is None:
        yield from _at_random(session, count)
    else:
        yield from _in_rounds(method, session, questions.by, count)
    later = questions.each_batch
    if later is not None and later.sees != "batch":
        yield from _in_rounds(method, session, later, session.known.remaining)


def in_batch(
    session: Session, batch: Batch, outputs: dict[str, Tensor], strategy: Strategy[PairView], step: int
) -> Asked:
    """Ask about the batch's best unknown pairs, as far as there are any and answers do not imply the next."""
    size, known = len(batch.index), session.known
    views = outputs["z"].detach().view(-1, size, outputs["z"].shape[1])
    view = pair_view(session, batch.index, views, outputs["p"].detach()[:size], step, strategy.remembers)
    count = min(session.stage.questions.per_batch, known.remaining)
    for number, (a, b, terms) in enumerate(strategy.select(view, count)):
        i, j = sorted((int(batch.index[a]), int(batch.index[b])))
        if number == 0 or known.open(i, j):
            yield from rounds.ask(known, Question(i, j, step, session.epoch, session.stage.name, terms))


def pair_view(
    session: Session, index: np.ndarray, z: Tensor, p: Tensor, step: int, remembers: bool = False
) -> PairView:
    """What a strategy sees of some images, from the rows z [V, B, M] of their views and from p [B, K]."""
    must, cannot = session.links(index)
    views = F.normalize(z, dim=2)
    return PairView(
        views=views,
        p=p,
        must=must,
        cannot=cannot,
        candidates=(~(must | cannot | session.unsure(index))).triu(1),
        remaining=session.known.remaining / session.known.budget,
        generator=seeds.torch_generator(session.seed, "strategy", session.stage.name, session.epoch, step),
        before=session.remember(index, views) if remembers else None,
    )


def _at_random(session: Session, count: int) -> Asked:
    """Ask about pairs drawn uniformly from the unknown ones: within fixed batches, or anywhere in the pool."""
    stage, sampler, known = session.stage, session.sampler, session.known
    generator = seeds.numpy_generator(session.seed, stage.name, "questions")
    groups = [sampler.pool(*stage.questions.pool)]
    if stage.questions.within_batches:
        groups = list(chunks(sampler.fixed_order(), stage.batches.size))
    shares = np.array([len(g) * (len(g) - 1) for g in groups], dtype=float)
    last, failures = known.spent + count, 0
    while known.spent < last and failures < FAILURES and not rounds.at_a_loss(known, stage.name):
        group = groups[generator.choice(len(groups), p=shares / shares.sum())]
        i, j = sorted(int(x) for x in generator.choice(group, 2, replace=False))
        if known.open(i, j):
            yield from rounds.ask(known, Question(i, j, 0, session.epoch, stage.name, {}))
            failures = 0
        else:
            failures += 1


def _in_rounds(method: Trainable, session: Session, choice: Choice, count: int) -> Asked:
    """Ask about what a strategy ranks highest, less what answers imply, and let it choose again."""
    known, stage, strategy = session.known, session.stage.name, choice.make()
    view_of = _features(session) if choice.sees == "features" else _pool(method, session)
    if choice.sees == "network":
        view_of = _network(method, session)
    last, asked, number = known.spent + count, True, 0
    while asked and known.spent < last:
        before = len(known.answers)
        view, index, size = view_of(last, number)
        if isinstance(strategy, Mining) and session.stage.questions.assign:
            yield from rounds.assign(known, strategy, view, size, stage, session.epoch)
        else:
            pairs = ((int(index[a]), int(index[b]), terms) for a, b, terms in strategy.select(view, size))
            yield from rounds.through(known, pairs, last, stage, session.epoch)
        asked, number = len(known.answers) > before, number + 1


Seen = Callable[[int, int], tuple[Any, np.ndarray, int]]


def _pool(method: Trainable, session: Session) -> Seen:
    """What a strategy sees of a pool of images in a round: the pool, its images, how many pairs it may choose."""
    index = session.sampler.pool(*session.stage.questions.pool)
    z, p = (
        session.predict(function, index=index).to(session.device) for function in (method.embed, method.probabilities)
    )

    def seen(last: int, number: int) -> tuple[PairView, np.ndarray, int]:
        view = pair_view(session, index, z[None], p, 0)
        return view, index, last - session.known.spent

    return seen


def _features(session: Session) -> Seen:
    """The same of a representation; before anything is trained, the nearest placed image tells the cluster."""
    assert session.features is not None, "a run whose strategy sees features is planned with them"
    known, features, everything = session.known, session.features, np.arange(session.size)
    learn = rounds.by_distance(features, session.clusters)

    def seen(last: int, number: int) -> tuple[FeatureView, np.ndarray, int]:
        place = (session.clusters, session.seed, session.stage.name, number)
        return rounds.seen(features, known, *place, learn), everything, rounds.size(known)

    return seen


def _network(method: Trainable, session: Session) -> Seen:
    """The same of the network as it stands, which no answer changes before the first step."""
    known, everything = session.known, np.arange(session.size)
    z, p = (session.predict(function).numpy() for function in (method.embed, method.probabilities))

    def seen(last: int, number: int) -> tuple[FeatureView, np.ndarray, int]:
        place = (session.clusters, session.seed, session.stage.name, number)
        return rounds.seen(z, known, *place, lambda _: p), everything, last - known.spent

    return seen
