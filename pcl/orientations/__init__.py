"""Stage 2, orientations: which fine classes belong together, by name.

They come in one YAML file a task, which also names the data set, and in params.yaml under a task's `orientations`.
Each gives the classes of every cluster; clusters are numbered in the order in which they are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, datasets, seals
from pcl.config import read_yaml
from pcl.errors import UserError, did_you_mean

FOLDER = Path(__file__).parent
PRINTABLE = re.compile(r"[^\s./\\][^/\\\x00-\x1f]*")


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


class Map(NamedTuple):
    """An orientation as somebody wrote it, and where."""

    where: str
    groups: Any
    """Cluster -> its values; None: nobody knows the clusters."""


def available(folder: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Task -> its orientations, of those that come with the package."""
    files = sorted((folder or FOLDER).glob("*.yaml"))
    return {path.stem: tuple(_shipped(path)[1]) for path in files}


def maps(task: str, dataset: str, own: Mapping[str, Any], folder: Path | None = None) -> dict[str, Map]:
    """The orientations of a task of params.yaml: those that come with the package, then its own.

    Raises:
        UserError: the task has two of one name, or its data set is not that of the package's file.
    """
    path, here = (folder or FOLDER) / f"{task}.yaml", f"tasks.{task}"
    found: dict[str, Map] = {}
    if path.is_file():
        described, groups = _shipped(path)
        if described != dataset:
            raise UserError(f"{here}.dataset: {path} is about {described}, not {dataset}; give the task another name")
        found = {name: Map(f"{path}: {name}", written) for name, written in groups.items()}
    for name in own:
        if name in found:
            raise UserError(f"{here}.orientations.{name}: {path} has one of that name already; give yours another")
    return found | {name: Map(f"{here}.orientations.{name}", written) for name, written in own.items()}


def load(task: str, orientation: str, folder: Path | None = None, clusters: int | None = None) -> Orientation:
    """An orientation that comes with the package, held against the classes of its data set.

    Args:
        task: name of the file.
        orientation: an entry of the file.
        folder: where the files are; by default, those of this package.
        clusters: how many clusters there must be.

    Raises:
        UserError: there is no such task or orientation, or the map is wrong: one message with every problem.
    """
    path = (folder or FOLDER) / f"{task}.yaml"
    if not path.is_file():
        known = (file.stem for file in path.parent.glob("*.yaml"))
        raise UserError(f"{path.parent}: no task{did_you_mean(task, known)}")
    dataset, groups = _shipped(path)
    readers = datasets.registry()
    if dataset not in readers:
        raise UserError(f"{path}: dataset: no data set{did_you_mean(dataset, readers)}")
    if orientation not in groups:
        raise UserError(f"{path}: no orientation{did_you_mean(orientation, groups)}")
    written = Map(f"{path}: {orientation}", groups[orientation])
    return resolve(task, orientation, written, datasets.make(dataset, {}), clusters)


def resolve(
    task: str, name: str, written: Map, dataset: datasets.Dataset, clusters: int | None = None
) -> Orientation:
    """An orientation, held against the classes of a data set; where the data are missing, as it is written.

    The clusters share out the values of one field. `by: FIELD` says which; unless it is given, it is the one field
    that has all the values. `by` alone makes every value a cluster.

    Raises:
        UserError: the map is wrong: one message with every problem.
    """
    groups = written.groups
    members_of, by = _read(written)
    fields = dataset.fields()
    if fields is None:
        given = {member: index for index, members in enumerate(members_of.values()) for member in members}
        return Orientation(task, name, dataset.name, tuple(members_of), given)
    if not fields:
        raise UserError(
            f"{written.where}: {dataset.name} has no classes to group; write null (nobody knows the clusters, and "
            f"nothing is scored), or say in datasets.{dataset.name}.classes what the file names tell"
        )
    field = _field(written.where, by, members_of, fields)
    values = tuple(dict.fromkeys(fields[field]))
    members_of = members_of if set(groups) - {"by"} else {value: [value] for value in sorted(values)}
    problems = list(_problems(members_of, field, values, dataset.name, clusters))
    if problems:
        raise UserError("\n".join([f"{written.where}:", *(f"  - {problem}" for problem in problems)]))
    found = {member: index for index, members in enumerate(members_of.values()) for member in members}
    cluster_of = {c: found[value] for c, value in zip(dataset.classes(), fields[field], strict=True)}
    return Orientation(task, name, dataset.name, tuple(members_of), cluster_of)


def write(orientation: Orientation, splits: datasets.Splits, path: Path) -> None:
    """Write a prepared data set's targets: an .npz of `train`, `test` (int64 [N]) and `clusters` (names).

    Raises:
        UserError: the splits are of another data set, or the file cannot be written.
    """
    manifest, fine = splits.manifest, [splits.train.labels, splits.test.labels]
    if orientation.dataset != manifest.dataset:
        raise UserError(
            f"{orientation.task}: relabels {orientation.dataset}, but the prepared data are {manifest.dataset}"
        )
    if manifest.classes != tuple(orientation.cluster_of) or any(labels is None for labels in fine):
        raise UserError(
            f"{orientation.task}: the prepared data have other classes than {orientation.dataset} has now"
        )
    train, test = (orientation.relabel(labels) for labels in fine if labels is not None)
    artifacts.write_arrays(path, train=train, test=test, clusters=np.array(orientation.clusters))


def read(path: Path) -> Targets:
    """What `write` wrote; raises UserError where the file is missing or damaged."""
    arrays = artifacts.read_arrays(path)
    with seals.refusing(path, seals.remake(path, "it")):
        return Targets(arrays["train"], arrays["test"], tuple(arrays["clusters"].tolist()))


def _shipped(path: Path) -> tuple[str, dict[str, Any]]:
    """The data set and the maps in a file."""
    content = {str(key): value for key, value in read_yaml(path).items()}
    return str(content.pop("dataset", "")), content


def _read(written: Map) -> tuple[dict[str, list[str]], str | None]:
    """Cluster -> values, and the field that is named, if one is."""
    groups = written.groups
    by = groups.get("by") if isinstance(groups, dict) else None
    members = {key: value for key, value in groups.items() if key != "by"} if isinstance(groups, dict) else {}
    if not (isinstance(by, str | None) and (members or by) and all(isinstance(m, list) for m in members.values())):
        raise UserError(f"{written.where}: give each cluster's name with a list of its classes")
    # YAML reads an unquoted digit as a number; as a name, it is its text.
    return {str(cluster): [str(member) for member in members[cluster]] for cluster in members}, by


def _field(
    where: str, by: str | None, members_of: dict[str, list[str]], fields: Mapping[str, tuple[str, ...]]
) -> str:
    """The field whose values the clusters share out; where none has all of them, the one that has most."""
    if by is not None:
        if by not in fields:
            raise UserError(f"{where}: by: no field{did_you_mean(by, fields)}")
        return by
    members = {member for listed in members_of.values() for member in listed}
    lacking = {field: len(members - set(values)) for field, values in fields.items()}
    fitting = [field for field, missing in lacking.items() if not missing]
    if len(fitting) > 1:
        raise UserError(f"{where}: {' and '.join(fitting)} have all these values; add `by: {fitting[0]}` or another")
    return min(lacking, key=lacking.__getitem__)


def _problems(
    members_of: dict[str, list[str]], field: str, values: tuple[str, ...], dataset: str, clusters: int | None
) -> Iterator[str]:
    """Everything wrong with a map, one line each."""
    if clusters is not None and len(members_of) != clusters:
        yield f"{len(members_of)} clusters ({', '.join(members_of)}), but the task has {clusters}"
    homes: dict[str, list[str]] = {}
    for cluster, members in members_of.items():
        if not PRINTABLE.fullmatch(cluster):
            yield f"{cluster!r}: no name for a cluster; use letters, digits, spaces and signs, but no / or \\"
        if not members:
            yield f"{cluster}: no classes"
        for member in members:
            homes.setdefault(member, []).append(cluster)
    for member, where in homes.items():
        if member not in values:
            yield f"{where[0]}: no {field} of {dataset}{did_you_mean(member, values)}"
        elif len(where) > 1:
            yield f"{member}: given {len(where)} times, in {', '.join(dict.fromkeys(where))}"
    missing = [value for value in values if value not in homes]
    if missing:
        several = "classes" if field == "class" else f"values of {field}"
        yield f"{several} in no cluster: {', '.join(missing)}"
