"""Stage 1, data sets: one file each, named as in params.yaml. Prepared once, then memory-mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from pcl import artifacts
from pcl.datasets.base import Arrays, Dataset, Progress
from pcl.datasets.store import SPLITS, Manifest, Split, Splits, counts, load, save, verify
from pcl.errors import UserError

__all__ = [
    "Dataset",
    "Manifest",
    "Split",
    "Splits",
    "data_key",
    "find",
    "load",
    "prepare",
    "raw_folder",
    "registry",
    "verify",
]


def registry() -> dict[str, type[Dataset]]:
    """Every data set by name."""
    from pcl import registry as plugins

    return {name: find(name) for name in plugins.names(__name__, "Dataset")}


def find(name: str) -> type[Dataset]:
    """The data set of that name; raises UserError, with the nearest known name, where there is none."""
    from pcl import registry as plugins

    dataset: type[Dataset] = plugins.get(__name__, "Dataset", name)
    return dataset


def raw_folder(raw: Path | None = None) -> Path:
    """Where published files are looked for: `raw`, else the environment variable PCL_DATA, else `data`."""
    return raw or Path(os.environ.get("PCL_DATA") or "data")


def data_key(name: str, settings: dict[str, Any]) -> str:
    """Eight hex digits over what the prepared arrays depend on: data set, version, resolved settings."""
    dataset = find(name)
    resolved = _resolve(dataset, settings).model_dump(mode="json")
    return artifacts.key({"dataset": name, "version": dataset.version, "settings": resolved})


def prepare(
    name: str,
    settings: dict[str, Any],
    raw: Path | None,
    out: Path,
    progress: Progress = lambda line: None,
) -> Manifest:
    """The manifest of the folder `out`, written with the arrays of a data set read from its published files.

    Raises:
        UserError: a setting is unknown, data are missing, damaged or incomplete, or `out` cannot be written.
    """
    dataset = find(name)()
    resolved = _resolve(type(dataset), settings)
    arrays = dataset.read(raw_folder(raw), resolved, progress)
    _check(dataset, arrays)
    return save(out, dataset, resolved, arrays)


def _resolve(dataset: type[Dataset], settings: dict[str, Any]) -> Any:
    from pcl.config import validate

    return validate(dataset.Settings, settings, f"datasets.{dataset.name()}")


def _check(dataset: Dataset, arrays: Arrays) -> None:
    """Hold the arrays against what the data set promises.

    Raises:
        UserError: the labels or the number of images are not those of the published data.
        TypeError: the reader broke its contract.
    """
    name = dataset.name()
    for index, split in enumerate(SPLITS):
        images, labels = arrays[split]
        if (images.dtype, images.ndim, labels.dtype, labels.ndim) != (np.uint8, 4, np.int64, 1):
            raise TypeError(f"{name}: {split} is not uint8 [N, C, H, W] with labels int64 [N]")
        if images.shape[1] != dataset.channels:
            raise TypeError(f"{name}: {split} has {images.shape[1]} channels, {dataset.channels} declared")
        if len(images) != len(labels):
            raise UserError(f"{name}: {split} has {len(images)} images but {len(labels)} labels; replace the files")
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(dataset.classes):
            raise UserError(f"{name}: {split} has labels outside 0 … {len(dataset.classes) - 1}; replace the files")
        if dataset.per_class is None:
            continue
        expected = dataset.per_class[index]
        wrong = {c: n for c, n in counts(labels, dataset.classes).items() if n != expected}
        if wrong:
            listed = ", ".join(f"{n} of {c}" for c, n in wrong.items())
            raise UserError(f"{name}: {split} has {listed}, where {expected} are published; replace the files")
