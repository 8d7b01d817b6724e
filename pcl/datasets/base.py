"""What a data set is: names for its labels, and one method that reads its files as they are published."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pcl.errors import UserError

Arrays = dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]
"""Images uint8 [N, C, H, W] and labels int64 [N] of each split, `train` and `test`."""

Progress = Callable[[str], None]
"""Told, now and then, one line about what is being done."""


class OfficialFile(NamedTuple):
    """A file that its authors publish."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


class Dataset(ABC):
    """Images with fine labels, split into train and test.

    A subclass is final, is called `Dataset` and lives in a file with the data set's name. Its docstring is
    what a user is shown when the data are missing, with the raw folder in the place of `<raw>`.
    """

    classes: ClassVar[tuple[str, ...]]
    """The fine class names; the index is the label."""
    channels: ClassVar[int]
    version: ClassVar[int]
    """Raised by hand whenever the arrays would change."""
    per_class: ClassVar[tuple[int, int] | None] = None
    """Images of every class in train and in test, where the published data fix them."""
    places: ClassVar[tuple[str, ...]] = ()
    """Where the files may lie, first choice first: folders below the raw folder, or absolute ones."""
    files: ClassVar[tuple[OfficialFile, ...]] = ()
    """What `pcl data` downloads."""
    folders: ClassVar[Mapping[str, str]] = {}
    """Folder -> class, where the published data have one folder of images a class."""

    class Settings(BaseModel, extra="forbid", frozen=True):
        """What a user may choose about the arrays; here, nothing."""

    @abstractmethod
    def read(self, raw: Path, settings: Any, progress: Progress) -> Arrays:
        """Both splits, read from the published files below `raw`; `settings` is an instance of `Settings`.

        Raises:
            UserError: files are missing, damaged or not what they should be.
        """

    @classmethod
    def name(cls) -> str:
        """The data set's name: that of its file."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def guide(cls, raw: Path) -> str:
        """What to get and where to put it, for a person whose raw folder is `raw`."""
        text = inspect.cleandoc(cls.__doc__ or "").replace("<raw>", str(raw))
        if not cls.folders:
            return text
        return "\n".join([text, "Folders:", *(f"  {folder} {name}" for folder, name in cls.folders.items())])

    def locate(self, raw: Path, names: Iterable[str]) -> Path:
        """The first of the data set's places that holds a file or folder with one of these names.

        Raises:
            UserError: none does.
        """
        names = list(names)
        for place in self.places:
            if any((raw / place / name).exists() for name in names):
                return raw / place
        looked = ", ".join(str(raw / place) for place in self.places)
        raise UserError(f"{self.name()}: no data found (looked in {looked})\n\n{self.guide(raw)}")


def frozen_permutation(n: int) -> NDArray[np.int64]:
    """A fixed random order of n items.

    It sorts the raw output of PCG64, which NumPy promises never to change; what its `Generator` methods draw
    may change between releases, and with it every number made from a split.
    """
    return np.argsort(np.random.PCG64(0).random_raw(n), kind="stable")
