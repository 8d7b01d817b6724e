"""Features on disk: an array per split, read without loading it whole, and a manifest that comes last."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts
from pcl.datasets.store import sha256
from pcl.errors import UserError
from pcl.representations.base import Rows

MANIFEST = "manifest.json"


def write(folder: Path, rows: Rows, spec: dict[str, Any]) -> None:
    """Write features [N, D] of every split, and what they are.

    Raises:
        UserError: a feature is no number, all are equal, or the folder cannot be written.
    """
    for split, own in rows.items():
        if not np.isfinite(own).all():
            raise UserError(f"{folder}: features of {split} images are no numbers; train the network anew")
    if (rows["train"] == rows["train"][:1]).all():
        raise UserError(f"{folder}: the features of all training images are equal, so nothing can be learned on them")
    arrays = {}
    for split, own in rows.items():
        path = folder / f"{split}.npy"
        artifacts.write(path, partial(np.save, arr=np.ascontiguousarray(own, np.float32), allow_pickle=False))
        arrays[split] = {"shape": list(own.shape), "sha256": sha256(path)}
    artifacts.write_json(folder / MANIFEST, {"spec": spec, "arrays": arrays})


def read(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The features of every split, memory-mapped, after their digests were found right.

    Raises:
        UserError: a file is missing or damaged.
    """
    manifest = artifacts.read_json(folder / MANIFEST)
    found = {}
    try:
        for split, record in manifest["arrays"].items():
            path = folder / f"{split}.npy"
            if sha256(path) != record["sha256"]:
                raise ValueError(f"{path.name} is not what {MANIFEST} says")
            found[split] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder}: features cannot be read ({error}); delete the folder and make them again"
        ) from error
    return found
