"""Which questions a training asks, and when: before a stage's first step, or one in a batch of images."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from torch.nn import functional as F

from pcl import seed as seeds
from pcl.engine.sampler import Batch
from pcl.engine.session import Session
from pcl.engine.stage import chunks
from pcl.engine.trainable import Trainable
from pcl.oracles.base import Question
from pcl.oracles.log import Answer
from pcl.strategies.base import Choice, FeatureView, PairView, Strategy
from pcl.types import Tensor

Asked = Generator[Any, bool | None, None]
FAILURES = 10_000  # draws of known pairs in a row, after which there is taken to be no other
PATIENCE = 20  # answers "not sure" in a row, after which nobody is asked before the first step any more


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
    """Ask about the batch's best unknown pair, if there is one."""
    size = len(batch.index)
    views = outputs["z"].detach().view(-1, size, outputs["z"].shape[1])
    view = pair_view(session, batch.index, views, outputs["p"].detach()[:size], step)
    for a, b, terms in strategy.select(view, 1):
        i, j = sorted((int(batch.index[a]), int(batch.index[b])))
        yield from ask(session, i, j, step, terms)


def ask(session: Session, i: int, j: int, step: int, terms: dict[str, float]) -> Asked:
    """Ask one question and record the answer."""
    known = session.known
    question = Question(i, j, step, session.epoch, session.stage.name, terms)
    same = yield question
    known.record(Answer.to(question, len(known.answers) + 1, same))


def pair_view(session: Session, index: np.ndarray, z: Tensor, p: Tensor, step: int) -> PairView:
    """What a strategy sees of some images, from the rows z [V, B, M] of their views and from p [B, K]."""
    must, cannot = session.links(index)
    return PairView(
        views=F.normalize(z, dim=2),
        p=p,
        must=must,
        cannot=cannot,
        candidates=(~(must | cannot | session.unsure(index))).triu(1),
        remaining=session.known.remaining / session.known.budget,
        generator=seeds.torch_generator(session.seed, "strategy", session.stage.name, session.epoch, step),
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
    while known.spent < last and failures < FAILURES and not _at_a_loss(session):
        group = groups[generator.choice(len(groups), p=shares / shares.sum())]
        i, j = sorted(int(x) for x in generator.choice(group, 2, replace=False))
        if known.open(i, j):
            yield from ask(session, i, j, 0, {})
            failures = 0
        else:
            failures += 1


def _in_rounds(method: Trainable, session: Session, choice: Choice, count: int) -> Asked:
    """Ask about the pairs that a strategy ranks highest, less those that answers imply, and let it choose again."""
    known, strategy = session.known, choice.make()
    whole = choice.sees == "features"
    index = session.sampler.pool(*((0, 1) if whole else session.stage.questions.pool))
    z, p = (session.predict(function, index=index) for function in (method.embed, method.probabilities))
    last, asked = known.spent + count, True
    while asked and known.spent < last:
        asked = False
        view: Any
        if whole:
            view = _feature_view(session, z, p)
        else:
            view = pair_view(session, index, z[None].to(session.device), p.to(session.device), 0)
        for a, b, terms in strategy.select(view, last - known.spent):
            i, j = sorted((int(index[a]), int(index[b])))
            if known.spent < last and known.open(i, j) and not _at_a_loss(session):
                yield from ask(session, i, j, 0, terms)
                asked = True


def _at_a_loss(session: Session) -> bool:
    """Whether the last answers before this stage's first step were all "not sure"."""
    answers = session.known.answers[-PATIENCE:]
    unsure = [answer for answer in answers if answer.same is None and answer.stage == session.stage.name]
    return len(unsure) == PATIENCE


def _feature_view(session: Session, features: Tensor, p: Tensor) -> FeatureView:
    """What a strategy sees of all training images."""
    known, place = session.known, (session.stage.name, "round", len(session.known.answers))
    return FeatureView(
        features=features,
        p=p,
        constraints=known.constraints,
        unsure=frozenset(known.unsure),
        remaining=known.remaining / known.budget,
        generator=seeds.torch_generator(session.seed, "strategy", *place),
    )
