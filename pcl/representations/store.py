"""Features on disk: an array per split and one of random views, read without loading them, and a last manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, seals
from pcl.errors import UserError
from pcl.representations.base import Rows

MANIFEST, VIEWS = "manifest.json", "views"


def write(
    folder: Path, rows: Rows, spec: dict[str, Any], count: int = 0, views: Iterable[NDArray[np.float32]] = ()
) -> None:
    """Write features [N, D] of every split, those of `count` random views of every training image, and what they are.

    Args:
        folder: where.
        rows: split -> features.
        spec: all that they depend on.
        count: V; 0 where no views are kept.
        views: rows of [V, N, D] in their order, in pieces that are written as they come.

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
    if count:
        path, shape = folder / f"{VIEWS}.npy", (count, *rows["train"].shape)
        artifacts.write(path, lambda file: _stream(file, path, shape, views))
        arrays[VIEWS] = {"shape": list(shape), "sha256": seals.of_file(path)}
    content = {"spec": spec, "arrays": arrays}
    artifacts.write(folder / MANIFEST, artifacts.as_json(seals.sealed(content, _place(folder))))


def _stream(file: BinaryIO, path: Path, shape: tuple[int, ...], pieces: Iterable[NDArray[np.float32]]) -> None:
    """Write an array as `np.save` would, without ever holding it."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for piece in pieces:
        if not np.isfinite(piece).all():
            raise UserError(f"{path}: features of views are no numbers; train the network anew")
        file.write(np.ascontiguousarray(piece, np.float32).tobytes())


def read(folder: Path, *, views: bool = False) -> dict[str, NDArray[np.float32]]:
    """The features of every split, memory-mapped, after their digests were found right; on wish also "views".

    Raises:
        UserError: a file is missing or damaged.
    """
    last, found = folder / MANIFEST, {}
    with seals.refusing(last, seals.remake(last)):
        records = seals.opened(json.loads(last.read_bytes()), _place(folder))["arrays"]
    for split in (name for name in records if views or name != VIEWS):
        path = folder / f"{split}.npy"
        with seals.refusing(path, seals.remake(last)):
            if seals.of_file(path) != records[split]["sha256"]:
                raise seals.Broken("another digest")
            found[split] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def _place(folder: Path) -> str:
    """Key and seed: they name what belongs here."""
    return "/".join(folder.parts[-2:])
