"""A run that trains a network: a session is opened, trained through its stages, and asked for clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcl import progress
from pcl import seed as seeds
from pcl.engine import loop, parallel
from pcl.engine.device import MEMORY_FORMAT, choose, configure
from pcl.engine.images import Cached, Images, Inputs
from pcl.engine.known import Known
from pcl.engine.session import Session
from pcl.engine.stage import Stage
from pcl.errors import UserError
from pcl.folder import Folder
from pcl.methods.base import DeepMethod
from pcl.oracles.base import Question, Reply
from pcl.oracles.journal import Journal
from pcl.plan import Run
from pcl.plan.budget import check as check_budget
from pcl.run import inputs
from pcl.run.checkpoint import Checkpoint
from pcl.run.driver import Observer, Shown, drive, left, named
from pcl.run.inputs import Labels
from pcl.run.scores import History


def opened(run: Run) -> tuple[DeepMethod, Session]:
    """The method and a session with a fresh network, before anything is asked or trained.

    Raises:
        UserError: data are missing, or the settings do not fit them.
    """
    device = parallel.own(choose(run.device))
    shown = _shown(run, device)
    method: Any = run.method(run.settings, run.clusters, run.budget)
    try:
        method.check({name: shown.size(name) for name in shown.splits}, shown.channels)
    except UserError as error:
        raise UserError(f"arm {run.arm} in study {run.study} on {run.data.name}: {error}") from error
    with seeds.global_torch(run.seed, "weights"):
        network = method.build(shown.channels)
    network = network.to(device).to(memory_format=MEMORY_FORMAT)
    parallel.share(network)
    known = Known(method.constraints(shown.size()), run.budget)
    session = Session(run.seed, shown, network, known, clusters=method.clusters)
    if run.features:
        session.features = inputs.features(run)["train"]
    return method, session


def _shown(run: Run, device: torch.device) -> Inputs:
    """The images of a run, on the device, or the features that stand in their place, on disk."""
    if run.frozen is not None:
        rows, views = inputs.frozen_backbone(run)
        return Cached(rows, run.settings, device, views)
    splits = inputs.images(run)
    images = {"train": splits.train.images, "test": splits.test.images}
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in images.items()}
    if device.type != "cpu":
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Images(tensors, run.settings, device)


def pretrain(run: Run, labels: Labels) -> torch.device:
    """Train the stages that a run starts from, and write weights, answers and history; the device."""
    pretraining, shared = run.pretraining, run.method.pretraining
    assert pretraining is not None and shared is not None, "such a run is planned with both"
    method, session = opened(run)
    stages = [stage for stage in method.stages() if stage.pretraining]
    through(run, method, session, stages, pretraining.folder, labels)
    write(pretraining.folder, session, shared.parts)
    return session.device


def train(run: Run, labels: Labels) -> torch.device:
    """Train a run from where it stands, and write its weights, answers, history and assignments; the device.

    Raises:
        UserError: an input is missing, the budget cannot be asked, or training diverges.
    """
    method, session = opened(run)
    check_budget(run, session.size)
    start_from_pretraining(run, session)
    stages = [stage for stage in method.stages() if not stage.pretraining or run.pretraining is None]
    through(run, method, session, stages, run.folder, labels)
    if session.known.remaining and parallel.leads():
        progress.say(f"{run.path}: {left(session.known)}")
    write(run.folder, session)
    probabilities = _probabilities(run, method, session)
    if parallel.leads():
        run.folder.write_assignments(probabilities)
    return session.device


def start_from_pretraining(run: Run, session: Session) -> None:
    """Take over weights and answers, where there are any; raises UserError where they are missing or damaged."""
    if run.pretraining is None:
        return
    folder = run.pretraining.folder
    folder.needed(folder.weights, run.arm)
    session.network.load_state_dict(folder.read_weights(), strict=False)
    inputs.take_over(session.known, folder.read_answers(), folder.answers)


def through(
    run: Run, method: DeepMethod, session: Session, stages: list[Stage], folder: Folder, labels: Labels
) -> None:
    """Train through stages: an answer is on disk when it is given, and everything else after every epoch.

    Raises:
        UserError: training diverges, a question has no answer, or the folder cannot be written.
    """
    configure(session.device)
    checkpoint = Checkpoint(folder, session)
    optimizer_state, stages = checkpoint.resume(stages)
    asks = any(stage.questions.asks for stage in stages)
    reply = inputs.oracle(run, labels).answer if asks else _nobody
    training = named(folder, loop.train(method, session, stages, optimizer_state))
    if not parallel.leads():
        drive(training, reply, [History(method, session, labels)])
        return
    journal = Journal(folder.answers, reply, budget=run.budget, heard=session.known.answers)
    with progress.reporter(run.name, sum(stage.epochs for stage in stages), session.epoch) as report:
        observers: list[Observer] = [History(method, session, labels), checkpoint, Shown(report, session.history)]
        drive(training, journal.answer, observers)


def write(folder: Folder, session: Session, parts: tuple[str, ...] | None = None) -> None:
    """Write weights (of some parts of the network, or all), answers and history; of several processes, the first."""
    if not parallel.leads():
        return
    weights = session.network.state_dict().items()
    folder.write_weights({name: value for name, value in weights if parts is None or name.split(".")[0] in parts})
    folder.write_answers(session.known.answers)
    folder.write_history(session.history)


def _probabilities(run: Run, method: DeepMethod, session: Session) -> dict[str, NDArray[np.float32]]:
    """Cluster probabilities [N, K] of what is scored of each split.

    Every update but the last one is checked by the loss after it.
    """
    method.start_evaluation(session)
    found = {split: session.predict(method.probabilities, split).numpy() for split in session.images.splits}
    if not all(np.isfinite(rows).all() for rows in found.values()):
        raise UserError(
            f"{run.path}: after the last step the probabilities are no numbers; lower lr or set clip for this arm, "
            f"and delete {run.folder.checkpoint.parent}"
        )
    return {split: rows[: method.scored(len(rows))] for split, rows in found.items()}


def _nobody(question: Question) -> Reply:
    raise AssertionError(f"no stage asks, but {question} was asked")
