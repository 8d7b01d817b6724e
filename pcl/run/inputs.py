"""What a run works on: images, target clusters, and what other arms have written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pcl import datasets, oracles, orientations
from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.folder import needed
from pcl.oracles.base import Context, Oracle
from pcl.plan import Run

Labels = dict[str, dict[str, NDArray[np.int64]]]


def labels(run: Run) -> Labels:
    """Target clusters of train and test, in every orientation that the run is scored in."""
    found = {name: orientations.read(needed(target.path, run.arm)) for name, target in run.targets.items()}
    return {name: {"train": targets.train, "test": targets.test} for name, targets in found.items()}


def images(run: Run) -> datasets.Splits:
    """The prepared data set."""
    needed(run.data.path / "manifest.json", run.arm)
    return datasets.load(run.data.path)


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


def frozen(run: Run, features: Callable[[Run], dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """What a frozen method clusters: its source's clusters or features, or without a source the pixels in [0, 1].

    Args:
        run: of a frozen method.
        features: what the network of a run sees of the images.
    """
    if run.source is not None and run.method.reads == "clusters":
        one_hot = np.eye(run.clusters, dtype=np.float32)
        folder = run.source.folder
        folder.needed(folder.assignments, run.arm)
        return {split: one_hot[found.cluster] for split, found in folder.read_assignments().items()}
    if run.source is not None:
        return features(run.source)
    splits = images(run)
    pixels = {"train": splits.train.images, "test": splits.test.images}
    flat = {name: images.reshape(len(images), -1) for name, images in pixels.items()}
    return {name: np.divide(rows, 255, dtype=np.float32) for name, rows in flat.items()}


def answers_of(other: Run | None, count: int) -> tuple[Constraints, int]:
    """What another run's answers say about `count` training images, and how many answers there are."""
    constraints = Constraints(count)
    if other is None:
        return constraints, 0
    folder = other.folder
    folder.needed(folder.answers, other.arm)
    given = [answer for answer in folder.read_answers() if answer.same is not None]
    for answer in given:
        if answer.i == answer.j:  # the released baseline asks about an image and itself
            continue
        try:
            constraints.add(answer.i, answer.j, answer.same)
        except UserError as error:
            raise UserError(f"{folder.answers}: {error}") from error
    return constraints, len(given)
