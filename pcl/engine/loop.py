"""The training loop, for every method: a generator that yields questions and is sent their answers.

Whoever drives it decides who answers (the relabelled truth, a log, a person) and what happens between epochs
(progress, checkpoints). The loop itself never sees a label.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from pcl import registry
from pcl import seed as seeds
from pcl.engine import device
from pcl.errors import UserError
from pcl.oracles.log import Answer
from pcl.strategies.base import PairView, Strategy, StrategySettings

if TYPE_CHECKING:
    from pcl.engine.session import Batch, Session
    from pcl.methods.base import DeepMethod, Stage
    from pcl.types import Tensor

CONFIDENT = 0.9999


@dataclass(frozen=True)
class Question:
    """Are training images i and j in the same cluster?"""

    i: int
    j: int


@dataclass(frozen=True)
class Epoch:
    """An epoch is over: the session may be saved now."""

    stage: str
    number: int
    losses: dict[str, float]
    ended: bool


Training = Generator[Question | Epoch, bool | None, None]


class Diverged(UserError):
    """The loss is no longer a number."""


def train(method: DeepMethod, session: Session, stages: list[Stage], optimizer_state: dict | None) -> Training:
    """Run the stages from where the session stands; yields questions and ends of epochs.

    A session that was saved in the middle of its first stage goes on with the optimiser's state.

    Raises:
        Diverged: a loss is not finite; names stage, epoch and step.
        Contradiction: an answer contradicts earlier ones.
    """
    for stage in stages:
        session.stage = stage
        strategy = _strategy(stage.strategy, method) if stage.strategy else None
        if not session.epoch:
            yield from _ask_first(method, session)
            method.start_stage(session)
        optimizer = _optimizer(session.network, stage)
        if optimizer_state is not None:
            optimizer.load_state_dict(optimizer_state)
            optimizer_state = None
        session.optimizer = optimizer
        ended = False
        while session.epoch < stage.epochs and not ended:
            method.start_epoch(session)
            session.network.train(not stage.frozen_statistics)
            losses = yield from _epoch(method, session, strategy)
            session.epoch += 1
            asks = strategy is not None and session.remaining > 0
            ended = (method.end_epoch(session) and not asks) or session.epoch == stage.epochs
            yield Epoch(stage.name, session.epoch, losses, ended)
        session.epoch = 0


def _optimizer(network: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """A fresh optimiser of all that has gradients; what gets none in a step is not touched by it."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    common: dict[str, Any] = {"lr": stage.lr, "weight_decay": stage.weight_decay}
    if stage.optimizer == "rmsprop":
        return torch.optim.RMSprop(weights, **common)
    if stage.optimizer == "sgd":
        return torch.optim.SGD(weights, momentum=stage.momentum, nesterov=stage.nesterov, fused=True, **common)
    return torch.optim.Adam(weights, fused=True, **common)


def _strategy(name: str, method: DeepMethod) -> Strategy:
    settings = getattr(method.settings, "query", StrategySettings())
    strategy: Strategy = registry.get("pcl.strategies", "Strategy", name)(settings)
    return strategy


def _epoch(
    method: DeepMethod, session: Session, strategy: Strategy | None
) -> Generator[Question | Epoch, bool | None, dict[str, float]]:
    """One pass over the batches; the mean of every loss term over the steps that have it."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for number, batch in enumerate(session.batches()):
        terms = yield from step(method, session, strategy, batch, number)
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value
            counts[name] = counts.get(name, 0) + 1
    return {name: total / counts[name] for name, total in sums.items()}


def step(
    method: DeepMethod, session: Session, strategy: Strategy | None, batch: Batch, number: int
) -> Generator[Question | Epoch, bool | None, dict[str, float]]:
    """One update of the network, after one question where there is a strategy; the loss terms."""
    stage = session.stage
    method.prepare(batch, session)
    with device.autocast(session.device):
        outputs = method.forward(session.network, batch)
    if strategy is not None and batch.kind == "images" and session.remaining > 0:
        yield from _ask(session, batch, outputs, strategy, number)
    if batch.kind == "images":
        session.link(batch)
    if stage.extend_from is not None and session.epoch >= stage.extend_from:
        _suppose(session, batch, outputs)
    terms = method.loss(outputs, batch, session)
    stacked = torch.stack(list(terms.values()))
    values = dict(zip(terms, stacked.tolist(), strict=True))
    if not all(map(math.isfinite, values.values())):
        named = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise Diverged(
            f"stage {stage.name}, epoch {session.epoch + 1}, step {number + 1}: the loss is not a number ({named}); "
            "lower lr or set clip for this arm. The last checkpoint is kept"
        )
    if stage.schedule is not None:
        for group in session.optimizer.param_groups:
            group["lr"] = stage.lr * stage.schedule(batch.time)
    session.optimizer.zero_grad(set_to_none=True)
    stacked.sum().backward()
    if stage.clip is not None:
        torch.nn.utils.clip_grad_norm_(session.network.parameters(), stage.clip)
    session.optimizer.step()
    with torch.no_grad():
        method.after_step(outputs, batch, session)
    return values


def _ask_first(method: DeepMethod, session: Session) -> Training:
    """Ask the questions that come before a stage."""
    if session.stage.questions_by == "random":
        yield from _ask_at_random(session)
    else:
        yield from _ask_in_pool(method, session)


def _ask_at_random(session: Session) -> Training:
    """Ask about pairs drawn uniformly from the unknown ones: within fixed batches, or anywhere in the pool."""
    from pcl.engine.session import chunks

    stage = session.stage
    generator = seeds.numpy_generator(session.seed, stage.name, "questions")
    groups = [session.pool(*stage.pool)]
    if stage.within_batches:
        groups = list(chunks(session.fixed_order(), stage.batch_size))
    shares = np.array([len(g) * (len(g) - 1) for g in groups], dtype=float)
    count, failures = min(stage.questions, session.remaining), 0
    unsure = set(session.unsure_pairs)
    while count > 0 and failures < 10_000:
        group = groups[generator.choice(len(groups), p=shares / shares.sum())]
        i, j = sorted(int(x) for x in generator.choice(group, 2, replace=False))
        if session.constraints.relation(i, j) is not None or (i, j) in unsure:
            failures += 1
            continue
        same = yield Question(i, j)
        session.record(_answer(session, i, j, same, 0, {}))
        if same is None:
            unsure.add((i, j))
        count, failures = count - (same is not None), 0


def _ask_in_pool(method: DeepMethod, session: Session) -> Training:
    """Ask about the pairs of the stage's pool that a strategy ranks highest, less those that answers imply."""
    stage = session.stage
    strategy, pool = _strategy(stage.questions_by, method), session.pool(*stage.pool)
    z, p = (session.sweep(function, index=pool) for function in (method.embed, method.probabilities))
    last = session.spent + min(stage.questions, session.remaining)
    asked = True
    while asked and session.spent < last:
        asked = False
        view = pair_view(session, pool, z[None].to(session.device), p.to(session.device), 0)
        for a, b, terms in strategy.select(view, last - session.spent):
            i, j = sorted((int(pool[a]), int(pool[b])))
            if session.constraints.relation(i, j) is None and (i, j) not in session.unsure_pairs:
                same = yield Question(i, j)
                session.record(_answer(session, i, j, same, 0, terms))
                asked = True


def _ask(session: Session, batch: Batch, outputs: dict[str, Tensor], strategy: Strategy, step: int) -> Training:
    """Ask about the batch's best unknown pair, if there is one."""
    size = len(batch.index)
    views = outputs["z"].detach().view(-1, size, outputs["z"].shape[1])
    view = pair_view(session, batch.index, views, outputs["p"].detach()[:size], step)
    for a, b, terms in strategy.select(view, 1):
        i, j = sorted((int(batch.index[a]), int(batch.index[b])))
        same = yield Question(i, j)
        session.record(_answer(session, i, j, same, step, terms))


def pair_view(session: Session, index: np.ndarray, z: Tensor, p: Tensor, step: int) -> PairView:
    """What a strategy sees of some images, from the rows z [V, B, M] of their views and from p [B, K]."""
    must, cannot = session.links(index)
    return PairView(
        views=F.normalize(z, dim=2),
        p=p,
        must=must,
        cannot=cannot,
        candidates=(~(must | cannot | session.unsure(index))).triu(1),
        remaining=session.remaining / session.budget,
        generator=seeds.torch_generator(session.seed, "strategy", session.stage.name, session.epoch, step),
    )


def _answer(session: Session, i: int, j: int, same: bool | None, step: int, terms: dict[str, float]) -> Answer:
    number = len(session.answers) + 1
    return Answer(number, i, j, same, step, session.epoch, session.stage.name, terms)


def _suppose(session: Session, batch: Batch, outputs: dict[str, Tensor]) -> None:
    """Constraint extension: take the batch's surest unknown pair for a must-link.

    Sure means the same arg max, both probabilities and the similarity above 0.9999. Such links cost no question,
    are kept apart from answers, and never override one.

    Source: Geng et al., AAAI-25, Section 4.1; hhdxwen/PCL@943dfcc, train.py (there switched off).
    """
    p, z = (outputs[name].detach()[: len(batch.index)] for name in ("p", "z"))
    confidence, cluster = p.max(1)
    sure = confidence > CONFIDENT
    views = F.normalize(outputs["z"].detach(), dim=1).view(-1, len(batch.index), z.shape[1])
    similarity = (views @ views.mT).mean(0)
    known = batch.must | batch.cannot | batch.pseudo
    fits = sure[:, None] & sure[None] & (cluster[:, None] == cluster[None]) & (similarity > CONFIDENT)
    fits = (fits & ~known).triu(1)
    if fits.any():
        a, b = divmod(int(similarity.masked_fill(~fits, -math.inf).argmax()), len(batch.index))
        session.pseudo_links.append((int(batch.index[a]), int(batch.index[b])))
        session.link(batch)
