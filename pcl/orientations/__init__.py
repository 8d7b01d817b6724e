"""Stage 2, orientations: which fine classes belong together. One YAML file a task, by class name.

A file names its data set and, for each orientation, the classes of every cluster. Clusters are numbered in
the order in which the file lists them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, datasets
from pcl.errors import UserError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Orientation:
    """A map from fine classes to target clusters."""

    task: str
    name: str
    dataset: str
    clusters: tuple[str, ...]
    """The clusters' names; the index is the target label."""
    cluster_of: dict[str, int]
    """Class -> cluster, in the order of the data set's labels."""

    def relabel(self, fine: NDArray[Any]) -> NDArray[np.int64]:
        """The target clusters, int64 [N], of fine labels [N]; raises ValueError where a label is no class."""
        fine = np.asarray(fine)
        if len(fine) and not (fine.min() >= 0 and fine.max() < len(self.cluster_of)):
            raise ValueError(f"fine labels must lie in 0 … {len(self.cluster_of) - 1}")
        return np.array(list(self.cluster_of.values()), np.int64)[fine]

    def key(self) -> str:
        """Eight hex digits over the map: what class is in which cluster, whatever the clusters are called."""
        return artifacts.key(self.cluster_of)


@dataclass(frozen=True)
class Targets:
    """Target clusters int64 [N] of both splits, and the clusters' names."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    clusters: tuple[str, ...]


def available(folder: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Task -> its orientations."""
    from pcl.config import read_yaml

    files = sorted((folder or FOLDER).glob("*.yaml"))
    return {path.stem: tuple(str(key) for key in read_yaml(path) if key != "dataset") for path in files}


def load(task: str, orientation: str, folder: Path | None = None, clusters: int | None = None) -> Orientation:
    """An orientation of a task, held against the classes of its data set.

    Args:
        task: name of the file.
        orientation: an entry of the file.
        folder: where the files are; by default, those of this package.
        clusters: how many clusters there must be.

    Raises:
        UserError: there is no such task or orientation, or the map is wrong: one message with every problem.
    """
    from pcl.config import did_you_mean, read_yaml

    path = (folder or FOLDER) / f"{task}.yaml"
    if not path.is_file():
        known = (file.stem for file in path.parent.glob("*.yaml"))
        raise UserError(f"{path.parent}: no task{did_you_mean(task, known)}")
    maps = {str(key): value for key, value in read_yaml(path).items()}
    dataset, known_datasets = str(maps.pop("dataset", "")), datasets.registry()
    if dataset not in known_datasets:
        raise UserError(f"{path}: dataset: no data set{did_you_mean(dataset, known_datasets)}")
    if orientation not in maps:
        raise UserError(f"{path}: no orientation{did_you_mean(orientation, maps)}")
    groups = maps[orientation]
    if not (isinstance(groups, dict) and all(isinstance(members, list) for members in groups.values())):
        raise UserError(f"{path}: {orientation}: give each cluster's name with a list of its classes")
    # YAML reads an unquoted digit as a number; as a name, it is its text.
    members_of = {str(cluster): [str(member) for member in groups[cluster]] for cluster in groups}
    classes = known_datasets[dataset].classes
    problems = list(_problems(members_of, classes, dataset, clusters))
    if problems:
        raise UserError("\n".join([f"{path}: {orientation}:", *(f"  - {problem}" for problem in problems)]))
    found = {member: index for index, members in enumerate(members_of.values()) for member in members}
    return Orientation(task, orientation, dataset, tuple(members_of), {name: found[name] for name in classes})


def write(orientation: Orientation, splits: datasets.Splits, path: Path) -> None:
    """Write a prepared data set's targets: an .npz of `train`, `test` (int64 [N]) and `clusters` (names).

    Raises:
        UserError: the splits are of another data set, or the file cannot be written.
    """
    if orientation.dataset != splits.manifest.dataset:
        raise UserError(
            f"{orientation.task}: relabels {orientation.dataset}, but the prepared data are {splits.manifest.dataset}"
        )
    save = partial(
        np.savez,
        train=orientation.relabel(splits.train.labels),
        test=orientation.relabel(splits.test.labels),
        clusters=np.array(orientation.clusters),
    )
    artifacts.write(path, save)


def read(path: Path) -> Targets:
    """What `write` wrote; raises UserError where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Targets(arrays["train"], arrays["test"], tuple(arrays["clusters"].tolist()))
    except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and run `pcl relabel` again") from error


def _problems(
    members_of: dict[str, list[str]], classes: tuple[str, ...], dataset: str, clusters: int | None
) -> Iterator[str]:
    """Everything wrong with a map, one line each."""
    from pcl.config import did_you_mean

    if clusters is not None and len(members_of) != clusters:
        yield f"{len(members_of)} clusters ({', '.join(members_of)}), but the task has {clusters}"
    homes: dict[str, list[str]] = {}
    for cluster, members in members_of.items():
        if not members:
            yield f"{cluster}: no classes"
        for member in members:
            homes.setdefault(member, []).append(cluster)
    for member, where in homes.items():
        if member not in classes:
            yield f"{where[0]}: no class of {dataset}{did_you_mean(member, classes)}"
        elif len(where) > 1:
            yield f"{member}: given {len(where)} times, in {', '.join(dict.fromkeys(where))}"
    missing = [name for name in classes if name not in homes]
    if missing:
        yield f"classes in no cluster: {', '.join(missing)}"
