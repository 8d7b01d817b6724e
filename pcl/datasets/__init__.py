"""Stage 1, data sets: one file each, named as in params.yaml. Prepared once, then memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcl.datasets.base import Arrays, Dataset, Progress, Split
from pcl.datasets.store import SPLITS, Manifest, Splits, counts, load, save
from pcl.errors import UserError

__all__ = [
    "Dataset",
    "Manifest",
    "Split",
    "Splits",
    "find",
    "load",
    "make",
    "prepare",
    "raw_folder",
    "registry",
]


def registry() -> dict[str, type[Dataset]]:
    """Every reader by name."""
    from pcl import registry as plugins

    return {name: find(name) for name in plugins.names(__name__, "Dataset")}


def find(reader: str) -> type[Dataset]:
    """The reader of that name; raises UserError, with the nearest known name, where there is none."""
    from pcl import registry as plugins

    dataset: type[Dataset] = plugins.get(__name__, "Dataset", reader)
    return dataset


def raw_folder(raw: Path | None = None) -> Path:
    """Where published files are looked for: `raw`, else the environment variable PCL_DATA, else `data`."""
    return raw or Path(os.environ.get("PCL_DATA") or "data").expanduser()


def make(name: str, settings: Mapping[str, Any], raw: Path | None = None, root: Path = Path()) -> Dataset:
    """A data set of params.yaml; nothing is read yet.

    Args:
        name: its name; without a setting `reader`, also that of its reader.
        settings: what params.yaml says about it.
        raw: the folder for published files; see `raw_folder`.
        root: the folder that relative paths start from.

    Raises:
        UserError: there is no such reader, or a setting is wrong.
    """
    from pcl.config import validate

    chosen = dict(settings)
    try:
        reader = find(chosen.pop("reader", name))
    except UserError as error:
        if "reader" in settings:
            raise UserError(f"datasets.{name}.reader: {error}") from error
        raise UserError(f"{error}; your own pictures need `reader: folder` and `path` in datasets.{name}") from error
    return reader(name, validate(reader.Settings, chosen, f"datasets.{name}"), raw_folder(raw), root)


def prepare(dataset: Dataset, out: Path, progress: Progress = lambda line: None) -> Manifest:
    """The manifest of the folder `out`, written with the arrays of a data set read from its own files.

    Raises:
        UserError: data are missing, damaged or incomplete, or `out` cannot be written.
    """
    arrays = dataset.read(progress)
    _check(dataset, arrays)
    return save(out, dataset, arrays)


def _check(dataset: Dataset, arrays: Arrays) -> None:
    """Hold the arrays against what the data set promises.

    Raises:
        UserError: the labels or the number of images are not those of the published data.
        TypeError: the reader broke its contract.
    """
    name, classes = dataset.name, dataset.classes()
    for index, split in enumerate(SPLITS):
        images, labels, _ = arrays[split]
        if (images.dtype, images.ndim) != (np.uint8, 4) or images.shape[1] != dataset.channels:
            raise TypeError(f"{name}: {split} is not uint8 [N, {dataset.channels}, H, W]")
        if labels is None:
            if classes:
                raise TypeError(f"{name}: {split} has no labels, but the data set has classes")
            continue
        if (labels.dtype, labels.ndim) != (np.int64, 1):
            raise TypeError(f"{name}: {split} has no labels int64 [N]")
        if len(images) != len(labels):
            raise UserError(f"{name}: {split} has {len(images)} images but {len(labels)} labels; replace the files")
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(classes):
            raise UserError(f"{name}: {split} has labels outside 0 … {len(classes) - 1}; replace the files")
        if dataset.per_class is None:
            continue
        expected = dataset.per_class[index]
        wrong = {c: n for c, n in counts(labels, classes).items() if n != expected}
        if wrong:
            listed = ", ".join(f"{n} of {c}" for c, n in wrong.items())
            raise UserError(f"{name}: {split} has {listed}, where {expected} are published; replace the files")
