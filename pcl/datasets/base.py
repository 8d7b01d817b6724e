"""What a data set is: an instance with a name and settings, which knows its classes and content and is read once."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pcl import artifacts
from pcl.errors import UserError


class Split(NamedTuple):
    """The images of one split, uint8 [N, C, H, W], and what is known of each."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    """Fine labels, int64 [N]; None: nobody knows them."""
    files: NDArray[np.str_] | None = None
    """The file of each image, below the data set's folder; None where images are not files."""


Arrays = dict[str, Split]
"""The splits `train` and `test`."""

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
    """Images split into train and test, with fine labels where somebody knows them.

    A subclass is final, is called `Dataset` and lives in a file of its own. Its docstring is what a user is shown
    when the data are missing, with the raw folder in place of `<raw>` and the data set's name in place of `<name>`.

    Attributes:
        name: the data set's name in params.yaml.
        settings: an instance of `Settings`.
        raw: the folder for published files.
        root: the folder that relative paths in params.yaml start from.
        channels: of every image.
    """

    class_names: ClassVar[tuple[str, ...]] = ()
    """The fine class names of published data; the index is the label."""
    channels: int
    version: ClassVar[int]
    """Raised by hand whenever the arrays would change."""
    per_class: ClassVar[tuple[int, int] | None] = None
    """Images of every class in train and in test, where the published data fix them."""
    places: ClassVar[tuple[str, ...]] = ()
    """Where published files may lie, first choice first: folders below the raw folder, or absolute ones."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Published files or folders; any of them tells that a place is the right one."""
    files: ClassVar[tuple[OfficialFile, ...]] = ()
    """What `pcl data` downloads."""
    folders: ClassVar[Mapping[str, str]] = {}
    """Folder -> class, where the published data have one folder of images a class."""

    class Settings(BaseModel, extra="forbid", frozen=True):
        """What a user may choose about the arrays; here, nothing."""

    def __init__(self, name: str, settings: Any, raw: Path, root: Path = Path()) -> None:
        """See the attributes; nothing is read yet."""
        self.name, self.settings, self.raw, self.root = name, settings, raw, root

    @classmethod
    def reader(cls) -> str:
        """What params.yaml calls the class: the name of its file."""
        return cls.__module__.rpartition(".")[2]

    def classes(self) -> tuple[str, ...]:
        """The fine class names; the index is the label. Empty: no image has a label."""
        return self.class_names

    def fields(self) -> Mapping[str, tuple[str, ...]] | None:
        """What orientations group by: field -> its value for every class. None: the data are missing, nobody can say.

        Where a class is but a name, it has one field, `class`.

        Raises:
            UserError: the data are there, but their classes cannot be told.
        """
        classes = self.classes()
        return {"class": classes} if classes else {}

    def fingerprint(self) -> str:
        """What stands for the content in the key: empty where the content is published and therefore fixed."""
        return ""

    @property
    def remark(self) -> str:
        """What must be said wherever a number comes from these data; mostly nothing."""
        return ""

    def training_images(self) -> int | None:
        """How many there are, as far as it can be said without reading an image; None: it cannot."""
        return self.per_class[0] * len(self.class_names) if self.per_class else None

    @abstractmethod
    def read(self, progress: Progress) -> Arrays:
        """Both splits.

        Raises:
            UserError: files are missing, damaged or not what they should be.
        """

    def key(self) -> str:
        """Eight hex digits over what the prepared arrays depend on: name, version, settings, content."""
        spec = {"dataset": self.name, "version": self.version, "settings": self.settings.model_dump(mode="json")}
        more = {"reader": self.reader()} if self.reader() != self.name else {}
        found = self.fingerprint()
        return artifacts.key(spec | more | ({"fingerprint": found} if found else {}))

    def place(self) -> Path | None:
        """The folder in which the published files lie; None where there is none."""
        for place in self.places:
            if any((self.raw / place / name).exists() for name in self.marks):
                return self.raw / place
        return None

    def locate(self) -> Path:
        """The folder in which the published files lie; raises UserError where there is none."""
        place = self.place()
        if place is None:
            looked = ", ".join(str(self.raw / place) for place in self.places)
            raise UserError(f"{self.name}: no data found (looked in {looked})\n\n{self.guide()}")
        return place

    def state(self) -> str | None:
        """Where the data are, in words; None where they are missing."""
        place = self.place()
        if place is None:
            return None
        return f"{place}: {self.remark}" if self.remark else f"published files in {place}"

    def guide(self) -> str:
        """What to get and where to put it."""
        text = inspect.cleandoc(self.__doc__ or "")
        text = text.replace("<raw>", str(self.raw)).replace("<name>", self.name)
        if not self.folders:
            return text
        return "\n".join([text, "Folders:", *(f"  {folder} {name}" for folder, name in self.folders.items())])
