"""Beside the questions: a network of its own for what this person means, taught end to end by their answers.

A process by itself, so that it never holds up a question. It reads the log of a session, trains, and leaves what it
makes of every picture in `tuned.npz`; whether that is used, the next fit decides.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, numerics, seals
from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.label import about, events
from pcl.label.groups import Groups
from pcl.label.library import Library
from pcl.neighbourhoods import Neighbourhoods
from pcl.sorting import FOLDS, Sorter

FILE = "tuned.npz"
SIDE = 48  # pixels: suits on a card can still be told, and an epoch of two thousand takes half a minute
EPOCHS = 40
SHOWN = 5  # epochs between two states that are left for the session
NEW = 20  # answers after which training begins anew
PAUSE = 2.0  # seconds


class Tuned(NamedTuple):
    """What the network makes of the pictures.

    Attributes:
        p: probability of every group, float [N, G].
        founders: of these groups, int [G].
        kept: of placed pictures that were held out of training, the share that comes out right.
    """

    p: NDArray[np.float32]
    founders: NDArray[np.int64]
    kept: float

    def over(self, columns: list[int], of: Mapping[int, int]) -> NDArray[np.float64] | None:
        """The same over the groups that there are now, given their founders and the founder of every placed picture.

        None where too many groups are new since, or gone, to say anything.
        """
        found = np.zeros((len(self.p), len(columns)))
        place = {founder: own for own, founder in enumerate(columns)}
        for column, founder in zip(self.p.T, self.founders.tolist(), strict=True):
            own = place.get(of.get(founder, -1))
            if own is not None:
                found[:, own] += column
        total = found.sum(1, keepdims=True)
        return None if (total <= 0).any() or (found.sum(0) <= 0).any() else found / total


def read(place: Path) -> Tuned | None:
    """What was left for a session; None where there is nothing whole."""
    with suppress(UserError), seals.refusing(place / FILE, "the next state takes its place"):
        kept = artifacts.from_npz((place / FILE).read_bytes())
        return Tuned(kept["p"], kept["founders"], float(kept["kept"]))
    return None


def write(place: Path, tuned: Tuned) -> None:
    """Leave a state for the session."""
    arrays: dict[str, Any] = {"p": tuned.p, "founders": tuned.founders, "kept": np.array(tuned.kept)}
    artifacts.write(place / FILE, artifacts.as_npz(**arrays))


def trained(
    images: NDArray[np.uint8], placed: Neighbourhoods, founders: list[int], seed: int, epochs: int = EPOCHS
) -> Iterator[Tuned]:
    """States of a FixMatch classifier as it learns from placed pictures, a fifth of them held out.

    Source: FixMatch (`pcl.methods.fixmatch`), from scratch.

    Args:
        images: of all pictures, uint8 [N, 3, S, S].
        placed: the pictures whose group is known, five or more in each.
        founders: of the groups, in their order.
        seed: of every draw.
        epochs: of training.
    """
    import torch
    from sklearn.model_selection import StratifiedKFold

    from pcl import seed as seeds
    from pcl.engine import loop
    from pcl.engine.events import Epoch
    from pcl.engine.images import Images
    from pcl.engine.known import Known
    from pcl.engine.session import Session

    method = _method(placed, epochs)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(placed.images, placed.which)
    learned, out = next(folds)
    known = Known(_said(len(images), placed, learned), budget=0)
    with seeds.global_torch(seed, "weights"):
        network = method.build(images.shape[1])
    shown = Images({"train": torch.from_numpy(images)}, method.settings, torch.device("cpu"))
    session = Session(seed, shown, network, known, clusters=placed.count)
    # The method numbers groups by their size among those it learns from.
    own = method.neighbourhoods(known)
    group_of = dict(zip(placed.images.tolist(), placed.which.tolist(), strict=True))
    order = [group_of[members[0]] for members in own.members()]
    for event in loop.train(method, session, method.stages(), None):
        if isinstance(event, Epoch) and (event.number % SHOWN == 0 or event.ended):
            found = session.predict(method.probabilities).numpy()
            p = np.zeros_like(found)
            p[:, order] = found
            right = p[placed.images[out]].argmax(1) == placed.which[out]
            yield Tuned(p, np.array(founders, np.int64), float(right.mean()))


def _method(placed: Neighbourhoods, epochs: int) -> Any:
    from pcl.methods import fixmatch

    settings = fixmatch.FixMatchSettings(
        image_size=SIDE,
        backbone={"depth": 10, "width": 16, "stem": "small"},
        augmentation={"crop_area": (0.6, 1.0), "flip": 0.5, "mean": (0.5,), "std": (0.25,)},
        batch_size=64,
        labelled_batch=32,
        optimizer="adam",
        lr=1e-3,
        average=0.99,
        strategy="random",  # nobody is asked here
        epochs=epochs,
    )
    method: Any = fixmatch.Method
    return method(settings, placed.count, 0)


def _said(n: int, placed: Neighbourhoods, learned: NDArray[np.int64]) -> Constraints:
    """The groups of some of the placed pictures, as answers."""
    known = Constraints(n)
    heads: list[int] = []
    for own in range(placed.count):
        head, *others = placed.images[learned][placed.which[learned] == own].tolist()
        for image in others:
            known.add(head, image, True)
        for other in heads:
            known.add(other, head, False)
        heads.append(head)
    return known


def main(place: Path) -> None:
    """Train again and again, as answers come in, until the process that asks is gone."""
    from pcl.representations.efficientnet import fitted

    parent, said = os.getppid(), about.read(place)
    library = Library.open(Path(said.folder))
    count = len(library.pictures)
    images = np.stack([fitted(library.array(image), SIDE).transpose(2, 0, 1) for image in range(count)])
    sorter, before = Sorter(np.zeros((count, 1), np.float32), said.clusters), -NEW
    while os.getppid() == parent:
        standing = events.standing(events.read(place / "log.jsonl"))
        answers = events.answers(standing)
        known = Constraints.fold(count, ((*pair, same) for pair, same in answers.items()))
        placed = sorter.placed(known)
        few = placed.count < 2 or np.bincount(placed.which).min() < FOLDS
        if few or len(standing) - before < NEW:
            time.sleep(PAUSE)
            continue
        before = len(standing)
        groups = Groups(placed, known, answers, None)
        founders = [groups.of[int(members[0])] for members in placed.members()]
        for state in trained(images, placed, founders, seed=0):
            write(place, state)
            if os.getppid() != parent:
                return


if __name__ == "__main__":
    os.nice(10)
    numerics.hold()
    main(Path(sys.argv[1]))
