"""The prepared form of a data set: arrays and a manifest in one folder, memory-mapped when read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pcl import artifacts, seals
from pcl.datasets.base import Arrays, Dataset, Split
from pcl.errors import UserError

SPLITS = ("train", "test")
MANIFEST = "manifest.json"


class ArrayRecord(BaseModel, extra="forbid", frozen=True):
    """What one .npy file holds; `sha256` is that of the whole file, as `sha256sum` prints it."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str


class Manifest(BaseModel, extra="forbid", frozen=True):
    """What a prepared folder holds and how it was made."""

    dataset: str
    reader: str = ""
    version: int
    settings: dict[str, Any]
    fingerprint: str = ""
    classes: tuple[str, ...]
    fields: dict[str, tuple[str, ...]] = {}
    n: dict[str, int]
    per_class: dict[str, dict[str, int]]
    arrays: dict[str, ArrayRecord]


@dataclass(frozen=True)
class Splits:
    """A prepared data set."""

    train: Split
    test: Split
    manifest: Manifest


def save(folder: Path, dataset: Dataset, arrays: Arrays) -> Manifest:
    """The manifest of the folder just written. A folder without a manifest is unfinished, so it comes last.

    Raises:
        UserError: the folder cannot be written.
    """
    # Removed first: while the arrays are replaced, the folder must not look finished.
    artifacts.remove(folder / MANIFEST)
    artifacts.sweep(folder)
    records = {}
    for split in SPLITS:
        for kind, array in arrays[split]._asdict().items():
            if array is None:
                continue
            path = folder / f"{split}_{kind}.npy"
            artifacts.write(path, partial(np.save, arr=array, allow_pickle=False))
            records[path.name] = ArrayRecord(shape=array.shape, dtype=str(array.dtype), sha256=seals.of_file(path))
    classes = dataset.classes()
    manifest = Manifest(
        dataset=dataset.name,
        reader=dataset.reader(),
        version=dataset.version,
        settings=dataset.settings.model_dump(mode="json"),
        fingerprint=dataset.fingerprint(),
        classes=classes,
        fields=dataset.fields() or {},
        n={split: len(arrays[split].images) for split in SPLITS},
        per_class={split: counts(arrays[split].labels, classes) for split in SPLITS},
        arrays=records,
    )
    sealed = seals.sealed(manifest.model_dump(mode="json"), MANIFEST)
    artifacts.write(folder / MANIFEST, json.dumps(sealed, indent=2) + "\n")
    return manifest


def load(folder: Path) -> Splits:
    """The prepared data set in a folder, each array held against its sha256 and memory-mapped read-only.

    Raises:
        UserError: a file is missing, damaged or not what the manifest says.
    """
    manifest = read_manifest(folder)
    known = {name.rpartition("_")[2] for name in manifest.arrays}
    kinds = [kind for kind in Split._fields if kind == "images" or f"{kind}.npy" in known]
    train, test = (
        Split(**{kind: _array(folder, manifest, f"{split}_{kind}.npy") for kind in kinds}) for split in SPLITS
    )
    for name, split in zip(SPLITS, (train, test), strict=True):
        if {len(array) for array in split if array is not None} != {manifest.n.get(name)}:
            raise UserError(f"{folder / MANIFEST}: {name} images, labels and `n` differ in number; {_remedy(folder)}")
    return Splits(train, test, manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a prepared folder.

    Raises:
        UserError: it is missing or not a manifest.
    """
    path = folder / MANIFEST
    with seals.refusing(path, _remedy(folder)):
        content = seals.opened(json.loads(path.read_bytes()), MANIFEST)
        return Manifest.model_validate_json(json.dumps(content))


def counts(labels: NDArray[np.int64] | None, classes: tuple[str, ...]) -> dict[str, int]:
    """Class -> images with that label."""
    if labels is None:
        return {}
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _array(folder: Path, manifest: Manifest, name: str) -> NDArray[Any]:
    """One array of the folder; raises UserError where it is not what the manifest says."""
    path, record = folder / name, manifest.arrays.get(name)
    with seals.refusing(path, _remedy(folder)):
        if record is None or seals.of_file(path) != record.sha256:
            raise seals.Broken("another digest")
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if (array.shape, str(array.dtype)) != (record.shape, record.dtype):
            raise seals.Broken("another shape")
        return array


def _remedy(folder: Path) -> str:
    return seals.remake(folder / MANIFEST)
