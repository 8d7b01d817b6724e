"""What a training writes: the files of a run's folder and of a pretraining's, and when they are complete."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts
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
        """Whether nothing is left to do."""
        return self.last.exists()

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
        """What may differ between equal trainings."""
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
        return log.read(self.answers)

    def write_answers(self, answers: Sequence[log.Answer]) -> None:
        """Write all answers, in the place of those that a journal has written one by one."""
        artifacts.write(self.answers, log.dump(answers))

    def read_weights(self) -> dict[str, Tensor]:
        """The weights by name; raises UserError where they are missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.weights)
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"{self.weights}: not readable weights ({error}); delete {self.path} and build it again"
            ) from error

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

    def write_last(self, content: dict[str, Any]) -> None:
        """Write the last file, and remove what only an unfinished training needs."""
        artifacts.write_json(self.last, content)
        shutil.rmtree(self.checkpoint.parent, ignore_errors=True)


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

    def write_assignments(self, probabilities: dict[str, NDArray[np.float32]]) -> None:
        """Write the likeliest cluster of every image, given cluster probabilities [N, K] of each split."""
        arrays: dict[str, NDArray[Any]] = {}
        for split, rows in probabilities.items():
            arrays[f"{split}_index"] = np.arange(len(rows))
            arrays[f"{split}_cluster"] = rows.argmax(1)
            arrays[f"{split}_probability"] = rows.max(1).astype(np.float32)
        artifacts.write_arrays(self.assignments, **arrays)

    def read_assignments(self) -> dict[str, Assigned]:
        """The assignments of each split; raises UserError where they are missing or damaged."""
        try:
            with np.load(self.assignments) as saved:
                names = [field.name for field in fields(Assigned)]
                return {split: Assigned(*(saved[f"{split}_{name}"] for name in names)) for split in SPLITS}
        except (BadZipFile, LookupError, ValueError, EOFError, OSError) as error:
            raise UserError(
                f"{self.assignments}: not readable assignments ({error}); delete {self.path} and train again"
            ) from error


def needed(path: Path, arm: str, last: Path | None = None) -> Path:
    """The path, if it exists; `last` is what the step that makes it writes last, if not the path itself.

    Raises:
        UserError: it does not; the message says which arm needs it, and how to build it.
    """
    if not path.exists():
        raise UserError(f"{path}: needed by arm {arm}, but not there; build it with `snakemake {last or path}`")
    return path
