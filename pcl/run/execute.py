"""From a planned run to its complete folder."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from pcl import artifacts, datasets, numerics, progress
from pcl.errors import UserError
from pcl.folder import needed
from pcl.plan import Features, Run
from pcl.representations import store
from pcl.representations.base import Rows, Source
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


def represent(features: Features) -> Path:
    """Make a representation; a complete folder is left as it is.

    Raises:
        UserError: the data set or the network is missing, or there are no such features.
    """
    if features.last.exists():
        progress.say(f"{features.path}: complete, nothing to do")
        return features.path
    splits = datasets.load(needed(features.data.path / "manifest.json", features.name).parent)
    images = {"train": splits.train.images, "test": splits.test.images}

    def layer(name: str) -> Rows:
        assert features.network is not None, "a representation of a network is planned with it"
        return layer_of(features.network, name)

    try:
        rows = features.kind(features.settings).features(Source(images, layer))
    except UserError as error:
        raise UserError(f"representations.{features.name}: {error}") from error
    store.write(features.path, rows, features.spec | {"seed": features.seed})
    return features.path


def layer_of(run: Run, layer: str = "features", *, trained: bool = True) -> Rows:
    """What a layer of a run's network gives for every image of each split [N, D].

    Args:
        run: a run of a method with a network.
        layer: "features", what the heads see, or the name of a head.
        trained: the weights that the run has written; else those it began with.
    """
    from pcl.run import network

    method, session = network.opened(run)
    if trained:
        run.folder.needed(run.folder.weights, run.arm)
        session.network.load_state_dict(run.folder.read_weights())

    def rows(module: Any, images: Any) -> Any:
        return method.layer(module, images, layer)

    return {split: session.predict(rows, split).numpy() for split in session.images.splits}


def score(run: Run) -> dict[str, Any]:
    """The scores of the assignments that a run has written, computed anew."""
    run.folder.needed(run.folder.assignments, run.arm)
    return scores.scores(inputs.labels(run), run.folder.read_assignments())


def _train(run: Run, labels: Labels) -> tuple[str, dict[str, Any], int]:
    """Train a network; the device, what was asked, and the number of epochs."""
    from pcl.run import network

    session = network.train(run, labels)
    return str(session.device), scores.questions(run, session.known), len(session.history)


def _cluster(run: Run, labels: Labels) -> tuple[str, dict[str, Any], int]:
    """Learn on representations; the device, what was asked, and the number of epochs."""
    from pcl.run import frozen

    known = frozen.train(run, labels)
    return "cpu", scores.questions(run, known), 0


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
