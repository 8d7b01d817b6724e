"""What a training writes: the files of a run's folder and of a pretraining's, and when they are complete.

`provenance.json` has the sha256 of every other file, and is written before the last of them; each is held against it
when it is read. What an earlier version has written bears no digests, and is taken as it is.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, seals
from pcl.errors import UserError
from pcl.oracles import log

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Assigned:
    """The images of a split that are scored: their positions, clusters and the probabilities of these [N]."""

    index: NDArray[np.int64]
    cluster: NDArray[np.int64]
    probability: NDArray[np.float32]


@dataclass(frozen=True)
class Folder:
    """A folder that a training writes; it is complete when its last file is there."""

    path: Path
    last_name: ClassVar[str]

    @property
    def last(self) -> Path:
        """The file that is written last."""
        return self.path / self.last_name

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do: the last file is there and whole."""
        try:
            self.read_last()
        except UserError:
            return False
        return True

    @property
    def trained(self) -> bool:
        """Whether nothing but the last file is left to write: all others are there and whole."""
        try:
            return bool(self._digests()) and {path for path, _ in self._wrong()} <= {self.last}
        except UserError:
            return False

    @property
    def files(self) -> list[Path]:
        """What is written before the last file, as far as there is any."""
        return [self.answers, self.weights, self.history]

    @property
    def answers(self) -> Path:
        """Every question in order, with its answer."""
        return self.path / "answers.jsonl"

    @property
    def weights(self) -> Path:
        """The network, readable without pickle."""
        return self.path / "model.safetensors"

    @property
    def history(self) -> Path:
        """A row per epoch."""
        return self.path / "history.csv"

    @property
    def provenance(self) -> Path:
        """What may differ between equal trainings, and the digests of the other files."""
        return self.path / "provenance.json"

    @property
    def checkpoint(self) -> Path:
        """The state to go on from; gone when the folder is complete."""
        return self.path / "checkpoint" / "state.pt"

    def needed(self, path: Path, arm: str) -> Path:
        """A file of the folder.

        Raises:
            UserError: it is not there; the message says which arm needs it, and how to build it.
        """
        return needed(path, arm, self.last)

    def read_answers(self) -> list[log.Answer]:
        """The answers; raises UserError where they are missing or damaged."""
        return log.parse(self._read(self.answers).decode(), str(self.answers))

    def write_answers(self, answers: Sequence[log.Answer]) -> None:
        """Write all answers, in the place of those that a journal has written one by one."""
        artifacts.write(self.answers, log.dump(answers))

    def read_weights(self) -> dict[str, Tensor]:
        """The weights by name; raises UserError where they are missing or damaged."""
        from safetensors.torch import load

        with self._refusing(self.weights):
            return load(self._read(self.weights))

    def write_weights(self, weights: dict[str, Tensor]) -> None:
        """Write weights by name."""
        from safetensors.torch import save

        plain = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
        artifacts.write(self.weights, save(plain))

    def write_history(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write a table whose columns are those of all rows, in the order of their first appearance."""
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
        artifacts.write(self.history, text.getvalue())

    def read_last(self) -> dict[str, Any]:
        """The content of the last file; raises UserError where it is missing or damaged."""
        with self._refusing(self.last):
            content = json.loads(self._read(self.last))
            if not isinstance(content, dict):
                raise seals.Broken("not a mapping")
            return content

    def read_provenance(self) -> dict[str, Any]:
        """Where the files come from, and their digests; raises UserError where that is missing or damaged."""
        with self._refusing(self.provenance):
            content = json.loads(self.provenance.read_bytes())
            if "files" in content and seals.SEAL not in content:
                raise seals.Broken("not sealed")
            return seals.opened(content, self._place)

    def begin(self) -> None:
        """Make room for a training: what a kill has left of writes goes, and so do digests of other files."""
        for folder in (self.path, self.checkpoint.parent):
            artifacts.sweep(folder)
        artifacts.remove(self.provenance)

    def epochs(self) -> int:
        """How many epochs the history has; raises UserError where it is missing or damaged."""
        with self._refusing(self.history):
            return sum(1 for _ in csv.DictReader(io.StringIO(self._read(self.history).decode())))

    def write_last(self, content: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Write where all comes from with the digests, then the last file; remove what is needed no more.

        Args:
            content: of the last file.
            provenance: how the others were made; as read, it is not written again where the digests are the same.
        """
        last = artifacts.as_json(content)
        files = {file.name: seals.of_file(file) for file in self.files if file.exists()}
        files[self.last_name] = seals.digest(last.encode())
        if provenance.get("files") != files:
            artifacts.write_json(self.provenance, seals.sealed(provenance | {"files": files}, self._place))
        artifacts.write(self.last, last)
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)

    def check(self) -> None:
        """Hold every file against its digest, and read the last one.

        Raises:
            UserError: a line for each file that is missing, or not as it was written.
        """
        if not self._digests():
            raise UserError(f"{self.last}: of an earlier version, without digests; to have them, {self._remedy}")
        wrong = [f"{path}: {problem}; {self._remedy}" for path, problem in self._wrong()]
        if wrong:
            raise UserError("\n".join(wrong))
        self.read_last()

    @property
    def _place(self) -> str:
        """Key and seed: they name what belongs here."""
        return "/".join(self.path.parts[-2:])

    @property
    def _remedy(self) -> str:
        return seals.remake(self.last)

    def _refusing(self, path: Path) -> AbstractContextManager[None]:
        return seals.refusing(path, self._remedy)

    def _digests(self) -> dict[str, str]:
        """The sha256 of every file by name; none where nothing is trained yet, or by an earlier version."""
        if not self.provenance.exists():
            return {}
        found: dict[str, str] = self.read_provenance().get("files", {})
        return found

    def _read(self, path: Path) -> bytes:
        """The content of a file."""
        with self._refusing(path):
            content, digests = path.read_bytes(), self._digests()
            if digests and digests.get(path.name) != seals.digest(content):
                raise seals.Broken("another digest")
            return content

    def _wrong(self) -> Iterator[tuple[Path, str]]:
        """Files that have a digest and are missing or have another, each with what is wrong."""
        for name, wanted in self._digests().items():
            path = self.path / name
            if not path.exists():
                yield path, "missing"
            elif seals.of_file(path) != wanted:
                yield path, "not as it was written"


class PretrainingFolder(Folder):
    """What runs start from."""

    last_name = "spec.json"


class RunFolder(Folder):
    """What a run writes for everything downstream."""

    last_name = "metrics.json"

    @property
    def assignments(self) -> Path:
        """The cluster of every image."""
        return self.path / "assignments.npz"

    @property
    def files(self) -> list[Path]:
        """Assignments too."""
        return [*super().files, self.assignments]

    def write_assignments(self, probabilities: dict[str, NDArray[np.float32]]) -> None:
        """Write the likeliest cluster of every image, given cluster probabilities [N, K] of each split."""
        arrays: dict[str, NDArray[Any]] = {}
        for split, rows in probabilities.items():
            arrays[f"{split}_index"] = np.arange(len(rows))
            arrays[f"{split}_cluster"] = rows.argmax(1)
            arrays[f"{split}_probability"] = rows.max(1).astype(np.float32)
        artifacts.write(self.assignments, artifacts.as_npz(**arrays))

    def read_assignments(self) -> dict[str, Assigned]:
        """The assignments of each split; raises UserError where they are missing or damaged."""
        with self._refusing(self.assignments):
            saved = artifacts.from_npz(self._read(self.assignments))
            names = [field.name for field in fields(Assigned)]
            return {split: Assigned(*(saved[f"{split}_{name}"] for name in names)) for split in SPLITS}


def needed(path: Path, arm: str, last: Path | None = None) -> Path:
    """The path, if it exists; `last` is what the step that makes it writes last, if not the path itself.

    Raises:
        UserError: it does not, or its step was cut off; the message says which arm needs it, and how to build it.
    """
    last = last or path
    if last.exists() and path.exists():
        return path
    if last.exists():
        raise UserError(f"{path}: needed by arm {arm}, but not there; {seals.remake(last)}")
    problem = "not finished" if path.exists() else "not there"
    raise UserError(f"{path}: needed by arm {arm}, but {problem}; build it with `snakemake {last}`")
