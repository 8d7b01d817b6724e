"""The prepared form of a data set: arrays and a manifest in one folder, memory-mapped when read."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from pcl import artifacts
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
    with suppress(OSError):
        (folder / MANIFEST).unlink()
    records = {}
    for split in SPLITS:
        for kind, array in arrays[split]._asdict().items():
            if array is None:
                continue
            path = folder / f"{split}_{kind}.npy"
            artifacts.write(path, partial(np.save, arr=array, allow_pickle=False))
            records[path.name] = ArrayRecord(shape=array.shape, dtype=str(array.dtype), sha256=sha256(path))
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
    artifacts.write(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def load(folder: Path) -> Splits:
    """The prepared data set in a folder, its arrays memory-mapped read-only.

    Raises:
        UserError: a file is missing, cut short or not what the manifest says.
    """
    manifest = read_manifest(folder)
    known = {name.rpartition("_")[2] for name in manifest.arrays}
    kinds = [kind for kind in Split._fields if kind == "images" or f"{kind}.npy" in known]
    train, test = (
        Split(**{kind: _array(folder, manifest, f"{split}_{kind}.npy") for kind in kinds}) for split in SPLITS
    )
    for name, split in zip(SPLITS, (train, test), strict=True):
        if {len(array) for array in split if array is not None} != {manifest.n.get(name)}:
            raise _unusable(folder / MANIFEST, f"{name} images, labels and `n` differ in number")
    return Splits(train, test, manifest)


def verify(folder: Path) -> Manifest:
    """The folder's manifest, after every array's sha256 was computed anew and found right.

    Raises:
        UserError: naming every file that is missing or differs.
    """
    manifest = read_manifest(folder)
    wrong = [
        name
        for name, record in manifest.arrays.items()
        if not (folder / name).is_file() or sha256(folder / name) != record.sha256
    ]
    if wrong:
        raise _unusable(folder, f"{', '.join(wrong)}: missing, or not as {MANIFEST} recorded")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a prepared folder.

    Raises:
        UserError: it is missing or not a manifest.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except ValidationError as error:
        raise _unusable(path, f"not a manifest ({error.errors()[0]['msg']})") from error


def counts(labels: NDArray[np.int64] | None, classes: tuple[str, ...]) -> dict[str, int]:
    """Class -> images with that label."""
    if labels is None:
        return {}
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def sha256(path: Path) -> str:
    """The hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _array(folder: Path, manifest: Manifest, name: str) -> NDArray[Any]:
    """One array of the folder; raises UserError where it is not what the manifest says."""
    record = manifest.arrays.get(name)
    try:
        array: NDArray[Any] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unusable(folder / name, str(error)) from error
    if record is None or (array.shape, str(array.dtype)) != (record.shape, record.dtype):
        raise _unusable(folder / name, f"{array.dtype} {list(array.shape)} is not what {MANIFEST} says")
    return array


def _unusable(path: Path, problem: str) -> UserError:
    folder = path if path.is_dir() else path.parent
    return UserError(f"{path}: {problem}; delete the folder {folder} and run `pcl prepare` again")
