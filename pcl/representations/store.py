"""Features on disk: an array per split, read without loading it whole, and a manifest that comes last."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, seals
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
    artifacts.remove(folder / MANIFEST)  # first: while the arrays are replaced, the folder must not look finished
    arrays = {}
    for split, own in rows.items():
        path = folder / f"{split}.npy"
        artifacts.write(path, partial(np.save, arr=np.ascontiguousarray(own, np.float32), allow_pickle=False))
        arrays[split] = {"shape": list(own.shape), "sha256": seals.of_file(path)}
    content = {"spec": spec, "arrays": arrays}
    artifacts.write(folder / MANIFEST, artifacts.as_json(seals.sealed(content, _place(folder))))


def read(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The features of every split, memory-mapped, after their digests were found right.

    Raises:
        UserError: a file is missing or damaged.
    """
    last, found = folder / MANIFEST, {}
    with seals.refusing(last, seals.remake(last)):
        records = seals.opened(json.loads(last.read_bytes()), _place(folder))["arrays"]
    for split, record in records.items():
        path = folder / f"{split}.npy"
        with seals.refusing(path, seals.remake(last)):
            if seals.of_file(path) != record["sha256"]:
                raise seals.Broken("another digest")
            found[split] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def _place(folder: Path) -> str:
    """Key and seed: they name what belongs here."""
    return "/".join(folder.parts[-2:])
