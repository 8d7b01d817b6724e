"""What a run works on: images, target clusters, and what other arms have written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcl import datasets, oracles, orientations, seals
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.folder import needed
from pcl.oracles import log
from pcl.oracles.base import Context, Oracle
from pcl.plan import Run
from pcl.representations import store

Labels = dict[str, dict[str, NDArray[np.int64]]]


def labels(run: Run) -> Labels:
    """Target clusters of train and test, in every orientation that the run is scored in."""
    found = {name: orientations.read(needed(target.path, run.arm)) for name, target in run.targets.items()}
    return {name: {"train": targets.train, "test": targets.test} for name, targets in found.items()}


def images(run: Run) -> datasets.Splits:
    """The prepared data set; raises UserError where it is missing, damaged or another."""
    path, dataset = needed(run.data.path / "manifest.json", run.arm), run.data.dataset
    splits = datasets.load(run.data.path)
    found = splits.manifest
    if (found.dataset, found.version) != (dataset.name, dataset.version):
        raise UserError(f"{path}: of {found.dataset}, version {found.version}; {seals.remake(path)}")
    return splits


def oracle(run: Run, targets: Labels) -> Oracle:
    """Who answers the run's questions."""
    split = images(run).train

    def image(index: int) -> NDArray[np.uint8]:
        return np.asarray(split.images[index]).transpose(1, 2, 0)

    own = run.targets.get(run.orientation)
    context = Context(
        size=len(split.images),
        seed=run.seed,
        clusters=own.map.clusters if own else (),
        targets=targets[run.orientation]["train"] if own else None,
        image=image,
    )
    return oracles.make(run.oracle.name, run.oracle.settings, context)


def frozen(run: Run) -> dict[str, NDArray[np.float32]]:
    """What a frozen method learns on: its source's clusters, one-hot, or its representations."""
    if run.source is None:
        return features(run)
    assert run.clusters is not None, "an arm that takes clusters is planned where their number is known"
    one_hot = np.eye(run.clusters, dtype=np.float32)
    folder = run.source.folder
    folder.needed(folder.assignments, run.arm)
    return {split: one_hot[found.cluster] for split, found in folder.read_assignments().items()}


def features(run: Run) -> dict[str, NDArray[np.float32]]:
    """The representations of a run [N, D]: one as it is; several side by side, each row of each of length 1."""
    parts = [store.read(needed(own.last, run.arm).parent) for own in run.features]
    if len(parts) == 1:
        return parts[0]
    return {split: np.hstack([_unit(part[split]) for part in parts]) for split in parts[0]}


def frozen_backbone(run: Run) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32] | None]:
    """What stands in the place of a run's images: features [N, D] of every split, and of views [V, N, D] if drawn."""
    assert run.frozen is not None, "asked of a run whose backbone is frozen"
    drawn = getattr(run.method, "draws_views", False)
    rows = store.read(needed(run.frozen.last, run.arm).parent, views=drawn)
    views = rows.pop(store.VIEWS, None)
    return rows, views


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def known(run: Run, count: int) -> Known:
    """What a frozen method's run knows about `count` training images before it asks: another run's answers, if any.

    Raises:
        UserError: they cannot be read, or contradict each other.
    """
    found = Known(run.method(run.settings, run.clusters, run.budget).constraints(count), run.budget)
    if run.answers is not None:
        folder = run.answers.folder
        folder.needed(folder.answers, run.answers.arm)
        take_over(found, folder.read_answers(), folder.answers)
    return found


def answered(run: Run, count: int) -> Known:
    """What the answers that a run has been given, or has taken over, say about `count` training images."""
    found = known(run, count)
    if run.asks:
        take_over(found, run.folder.read_answers(), run.folder.answers)
    return found


def take_over(known: Known, answers: Sequence[log.Answer], where: object) -> None:
    """Record answers that others were given; `where` names their file in errors.

    Raises:
        UserError: they contradict each other, or earlier ones.
    """
    for answer in answers:
        try:
            known.record(answer)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
