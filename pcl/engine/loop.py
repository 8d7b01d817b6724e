"""The training loop, for every method: a generator that yields questions and is sent their answers.

Whoever drives it decides who answers (the relabelled truth, a log, a person) and what happens between epochs
(progress, checkpoints). The loop itself never sees a label.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from pcl.engine import asking, device, parallel
from pcl.engine.events import Epoch, Training
from pcl.engine.rmsprop import RMSprop
from pcl.engine.sampler import Batch
from pcl.engine.session import Session
from pcl.engine.stage import Optimiser, Stage
from pcl.engine.trainable import Trainable
from pcl.errors import UserError
from pcl.oracles.base import Question, Reply
from pcl.strategies.base import PairView, Strategy
from pcl.types import Tensor

CONFIDENT = 0.9999


class Diverged(UserError):
    """The loss is no longer a number."""


def train(method: Trainable, session: Session, stages: list[Stage], optimizer_state: dict | None) -> Training:
    """Run the stages from where the session stands; yields questions and ends of epochs.

    A session that was saved in the middle of its first stage goes on with the optimiser's state.

    Raises:
        Diverged: a loss is not finite; names stage, epoch and step.
        Contradiction: an answer contradicts earlier ones.
    """
    for stage in stages:
        session.stage = stage
        chosen = stage.questions.each_batch
        strategy = chosen.make() if chosen is not None and chosen.sees == "batch" else None
        if not session.epoch:
            yield from asking.first(method, session)
            method.start_stage(session)
        optimizer = optimiser(session.network, stage.optimiser)
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
            asks = strategy is not None and session.known.remaining > 0
            ended = (method.end_epoch(session) and not asks) or session.epoch == stage.epochs
            yield Epoch(stage.name, session.epoch, losses, ended)
        session.epoch = 0


def optimiser(network: nn.Module, said: Optimiser) -> torch.optim.Optimizer:
    """A fresh optimiser of all that has gradients; what gets none in a step is not touched by it."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    common: dict[str, Any] = {"lr": said.lr, "weight_decay": said.weight_decay}
    if said.name == "rmsprop":
        return RMSprop(weights, **common)
    if said.name == "sgd":
        # Without momentum Nesterov's step is the plain one, and torch refuses it.
        nesterov = said.nesterov and said.momentum > 0
        sgd = torch.optim.SGD(weights, momentum=said.momentum, nesterov=nesterov, fused=True, **common)
        sgd.register_step_pre_hook(_start_momentum)
        return sgd
    return torch.optim.Adam(weights, fused=True, **common)


def _start_momentum(sgd: torch.optim.Optimizer, *arguments: Any) -> None:
    """Nothing in the momentum of weights whose first gradient comes in a later phase: fused SGD wants all or none."""
    for group in sgd.param_groups:
        moved = [weight for weight in group["params"] if weight.grad is not None] if group["momentum"] else []
        if any("momentum_buffer" in sgd.state[weight] for weight in moved):
            for weight in moved:
                if "momentum_buffer" not in sgd.state[weight]:
                    sgd.state[weight]["momentum_buffer"] = torch.zeros_like(weight.grad)


def _epoch(
    method: Trainable, session: Session, strategy: Strategy[PairView] | None
) -> Generator[Question | Epoch, Reply, dict[str, float]]:
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
    method: Trainable, session: Session, strategy: Strategy[PairView] | None, batch: Batch, number: int
) -> Generator[Question | Epoch, Reply, dict[str, float]]:
    """One update of the network, after one question where there is a strategy; the loss terms."""
    stage, optimiser = session.stage, session.stage.optimiser
    method.prepare(batch, session)
    with device.autocast(session.device):
        outputs = method.forward(session.network, batch)
    if strategy is not None and batch.kind == "images" and session.known.remaining > 0:
        yield from asking.in_batch(session, batch, outputs, strategy, number)
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
    if optimiser.schedule is not None:
        for group in session.optimizer.param_groups:
            group["lr"] = optimiser.lr * optimiser.schedule(batch.time)
    session.optimizer.zero_grad(set_to_none=True)
    stacked.sum().backward()
    parallel.average_gradients(session.network)
    if optimiser.clip is not None:
        torch.nn.utils.clip_grad_norm_(session.network.parameters(), optimiser.clip)
    session.optimizer.step()
    with torch.no_grad():
        method.after_step(outputs, batch, session)
    return values


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
        session.known.pseudo_links.append((int(batch.index[a]), int(batch.index[b])))
        session.link(batch)
