"""From a planned run to its complete folder."""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcl import datasets, numerics, progress
from pcl.errors import UserError
from pcl.folder import needed
from pcl.plan import Features, Run
from pcl.plan.identities import Pretraining
from pcl.provenance import peak_memory_mb, provenance
from pcl.representations import store
from pcl.representations.base import Images, Rows, Source
from pcl.run import inputs, scores
from pcl.run.alone import alone
from pcl.run.inputs import Labels

if TYPE_CHECKING:
    from pcl.engine.session import Session
    from pcl.methods.base import DeepMethod


def pretrain(run: Run) -> Path:
    """Train the pretraining stages that a run starts from; a complete folder is left as it is.

    Raises:
        UserError: the arm's method has none, an input is missing, or training diverges.
    """
    pretraining = run.pretraining
    if pretraining is None:
        raise UserError(f"arm {run.arm}: its method has no pretraining")
    with alone(pretraining.folder):
        return _pretrain(run, pretraining)


def _pretrain(run: Run, pretraining: Pretraining) -> Path:
    folder = pretraining.folder
    if folder.complete:
        progress.say(f"{folder.path}: complete, nothing to do")
        return folder.path
    started, last = time.monotonic(), pretraining.spec | {"seed": run.seed}
    if folder.trained:
        folder.write_last(last, folder.read_provenance())
        return folder.path
    folder.begin()
    device = _together(run, "pretrain", inputs.labels(run))
    folder.write_last(last, _provenance(run, device, started))
    return folder.path


def train(run: Run) -> Path:
    """Train, assign and score a run; a complete folder is left as it is.

    Raises:
        UserError: an input is missing, the budget exceeds the pairs there are, or training diverges.
    """
    with alone(run.folder):
        return _complete(run)


def _complete(run: Run) -> Path:
    folder = run.folder
    if folder.complete:
        progress.say(f"{run.path}: complete, nothing to do")
        return run.path
    started, labels = time.monotonic(), inputs.labels(run)
    if folder.trained:  # killed before whoever started it had noted that it was complete
        made = folder.read_provenance()
        progress.say(f"{run.path}: trained and whole, scored anew")
    else:
        folder.begin()
        make = _train if run.method.network else _cluster
        made = _provenance(run, make(run, labels), started)
    manifest = datasets.load(run.data.path).manifest
    folder.write_last(scores.content(run, labels, manifest.n["train"], manifest), made)
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

    @cache
    def opened() -> tuple[Any, Any]:
        assert features.network is not None, "a representation of a network is planned with it"
        return restored(features.network)

    def layer(name: str, shown: Images) -> Rows:
        method, session = opened()
        return _rows(method, session, name, None if shown is images else shown)

    try:
        rows, views = features.kind(features.settings).made(Source(images, layer), features.seed)
    except UserError as error:
        raise UserError(f"representations.{features.name}: {error}") from error
    store.write(features.path, rows, features.spec | {"seed": features.seed}, features.settings.views, views)
    return features.path


def layer_of(run: Run, layer: str = "features", *, trained: bool = True) -> Rows:
    """What a layer of a run's network gives for every image of each split [N, D].

    Args:
        run: a run of a method with a network.
        layer: "features", what the heads see, or the name of a head.
        trained: the weights that the run has written; else those it began with.
    """
    return _rows(*restored(run, trained=trained), layer)


def restored(run: Run, *, trained: bool = True) -> tuple[DeepMethod, Session]:
    """The method of a run and a session with the weights that it has written; else with those it began with.

    Raises:
        UserError: the images or the weights are missing or damaged.
    """
    from pcl.run import network

    method, session = network.opened(run)
    if trained:
        run.folder.needed(run.folder.weights, run.arm)
        session.network.load_state_dict(run.folder.read_weights())
    return method, session


def _rows(method: DeepMethod, session: Any, layer: str, images: Images | None = None) -> Rows:
    """What a layer gives for a session's own images, or for others [N, C, H, W] in their place."""

    def rows(module: Any, batch: Any) -> Any:
        return method.layer(module, batch, layer)

    shown = session.images if images is None else session.images.instead(images)
    return {split: shown.predict(session.network, rows, split).numpy() for split in shown.splits}


def _train(run: Run, labels: Labels) -> Any:
    """Train a network; the device."""
    return _together(run, "train", labels)


def _together(run: Run, name: str, labels: Labels) -> Any:
    """A step of `pcl.run.network` in as many processes as the study gives to a run."""
    from pcl.engine import parallel
    from pcl.run import network

    if run.devices > 1 and run.interactive:
        raise UserError(f"arm {run.arm} asks a person, whom several processes cannot; set resources.devices to 1")
    return parallel.together(run.devices, getattr(network, name), run, labels)


def _cluster(run: Run, labels: Labels) -> str:
    """Learn on representations; the device."""
    from pcl.run import frozen

    frozen.train(run, labels)
    return "cpu"


def _provenance(run: Run, device: Any, started: float) -> dict[str, Any]:
    """When, where and how long; the time is that of now, the seconds count from `started`."""
    torch = sys.modules.get("torch")
    return provenance(
        study=run.study,
        device=_named(device, run.devices if run.method.network else 1),
        threads=torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS", 1)),
        **numerics.described(),
        seconds=round(time.monotonic() - started, 1),
        peak_memory_mb=peak_memory_mb(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _named(device: Any, count: int) -> str:
    """A device, or how many; of a GPU also what it is, since seconds mean nothing without."""
    several = f"{count} × " if count > 1 else ""
    if getattr(device, "type", None) != "cuda":
        return f"{several}{device}"
    import torch

    return f"{several}{device} ({torch.cuda.get_device_name(device)})"
