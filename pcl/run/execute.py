"""From a planned run to its complete folder."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, numerics, progress
from pcl.errors import UserError
from pcl.plan import Run
from pcl.run import inputs, scores
from pcl.run.inputs import Labels


def pretrain(run: Run) -> Path:
    """Train the pretraining stages that a run starts from; a complete folder is left as it is.

    Raises:
        UserError: the arm's method has none, an input is missing, or training diverges.
    """
    pretraining, shared = run.pretraining, run.method.pretraining
    if pretraining is None or shared is None:
        raise UserError(f"arm {run.arm}: its method has no pretraining")
    folder = pretraining.folder
    if folder.complete:
        progress.say(f"{folder.path}: complete, nothing to do")
        return folder.path
    from pcl.run import network

    started = time.monotonic()
    method, session = network.opened(run)
    stages = [stage for stage in method.stages() if stage.pretraining]
    network.through(run, method, session, stages, folder, inputs.labels(run))
    network.write(folder, session, shared.parts)
    artifacts.write_json(folder.provenance, _provenance(run, session.device, started))
    folder.write_last(pretraining.spec | {"seed": run.seed})
    return folder.path


def train(run: Run) -> Path:
    """Train, assign and score a run; a complete folder is left as it is.

    Raises:
        UserError: an input is missing, the budget exceeds the pairs there are, or training diverges.
    """
    folder = run.folder
    if folder.complete:
        progress.say(f"{run.path}: complete, nothing to do")
        return run.path
    started, labels = time.monotonic(), inputs.labels(run)
    make = _train if run.method.network else _cluster
    device, asked, epochs = make(run, labels)
    artifacts.write_json(folder.provenance, _provenance(run, device, started))
    folder.write_last(scores.content(run, labels, asked, epochs))
    return run.path


def features(run: Run, *, trained: bool = True) -> dict[str, NDArray[np.float32]]:
    """What the heads of a run's network see of every image of each split [N, D].

    Args:
        run: a run of a method with a network.
        trained: the weights that the run has written; else those it began with.
    """
    from pcl.run import network

    method, session = network.opened(run)
    if trained:
        run.folder.needed(run.folder.weights, run.arm)
        session.network.load_state_dict(run.folder.read_weights())
    return {split: session.predict(method.embed, split).numpy() for split in session.images.splits}


def score(run: Run) -> dict[str, Any]:
    """The scores of the assignments that a run has written, computed anew."""
    run.folder.needed(run.folder.assignments, run.arm)
    return scores.scores(inputs.labels(run), run.folder.read_assignments())


def _train(run: Run, labels: Labels) -> tuple[str, dict[str, Any], int]:
    """Train a network; the device, what was asked, and the number of epochs."""
    from pcl.run import network

    session = network.train(run, labels)
    asked = scores.questions(run, session.known.constraints, session.known.spent)
    return str(session.device), asked, len(session.history)


def _cluster(run: Run, labels: Labels) -> tuple[str, dict[str, Any], int]:
    """Cluster frozen features; the device, what was asked, and the number of epochs."""
    method: Any = run.method(run.settings, run.clusters, run.budget)
    rows = inputs.frozen(run, features)
    constraints, count = inputs.answers_of(run.answers, len(rows["train"]))
    run.folder.write_assignments(method.cluster(rows, constraints, run.seed))
    run.folder.write_history([])
    return "cpu", scores.questions(run, constraints, count), 0


def _provenance(run: Run, device: Any, started: float) -> dict[str, Any]:
    import torch

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return artifacts.provenance(
        study=run.study,
        device=str(device),
        threads=torch.get_num_threads(),
        **numerics.described(),
        seconds=round(time.monotonic() - started, 1),
        peak_memory_mb=round(peak),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
