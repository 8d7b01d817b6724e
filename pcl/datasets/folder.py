"""A folder of anybody's pictures: a data set without Python."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Annotated, Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from pcl.datasets import pictures
from pcl.errors import UserError

SPLITS = ("train", "test")


def pattern(text: str) -> re.Pattern[str]:
    """The expression for file names such as `{deck}__{suit}__{rank}`; `{}` is a part that nobody needs.

    Each part is as short as the text behind it allows.

    Raises:
        ValueError: the text is no such pattern.
    """
    parts: list[str] = []
    fields: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(text):
        if field is not None and not literal and parts:
            raise ValueError("two parts need a text between them that says where the first one ends")
        parts.append(re.escape(literal))
        if field is None:
            continue
        if field and not (field.isidentifier() and field not in fields and not spec and not conversion):
            raise ValueError(f"{{{field}}} must be one word, given once")
        fields.append(field)
        parts.append(f"(?P<{field}>[^/]+?)" if field else "[^/]*?")
    if not fields:
        raise ValueError("it has no part in braces; `{}` alone matches every name and says nothing")
    return re.compile("".join(parts))


def _checked(text: str) -> str:
    pattern(text)
    return text


@final
class Dataset(pictures.Pictures):
    """Pictures in a folder of your own, with sub-folders as classes, classes in the file names, or none.

    Get:      JPEG, PNG, WebP, GIF, BMP or TIFF files, in colour or grey
    Put:      anywhere; in params.yaml, `datasets: {<name>: {reader: folder, path: …}}` says where
    Checks:   every picture can be read and, where names or sub-folders tell classes, tells one
    Licence:  that of your pictures; they stay where they are
    Source:   docs/data.md, "Your own pictures"
    """

    version = 1

    class Settings(pictures.Pictures.Settings):
        """Where the pictures are, and how to take them."""

        # What counts is in the fingerprint: a folder that has moved holds the same pictures.
        path: str = Field(exclude=True, description="the folder; relative to that of params.yaml")
        size: int = Field(64, ge=8, description="pixels")
        channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour")
        classes: Annotated[str, AfterValidator(_checked)] | None = Field(
            None, description="what the file names say; by default, a sub-folder is a class"
        )
        test: float | None = Field(None, gt=0, lt=1, description="share of the pictures to test on, 0.2 unless given")

    settings: Settings

    def __init__(self, name: str, settings: Any, raw: Path, root: Path = Path()) -> None:
        """See `base.Dataset`."""
        super().__init__(name, settings, raw, root)
        self.channels, self.share = settings.channels, settings.test or self.share
        self.folder = root / Path(settings.path).expanduser()

    def place(self) -> Path | None:
        """The folder, where there is one."""
        return self.folder if self.folder.is_dir() else None

    def locate(self) -> Path:
        """The folder with its pictures; raises UserError where there are none."""
        if not self.found:
            problem = "no pictures in it" if self.folder.is_dir() else "no such folder"
            raise UserError(f"datasets.{self.name}.path: {self.folder}: {problem}\n\n{self.guide()}")
        return self.folder

    @cached_property
    def _divided(self) -> bool:
        """Whether the folder itself says what is for training and what for testing."""
        return all((self.folder / split).is_dir() for split in SPLITS)

    @cached_property
    def _sorted(self) -> bool:
        """Whether there are pictures in sub-folders."""
        return any(len(PurePosixPath(file.path).parts) > 1 + self._divided for file in self.found)

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.settings.classes is None else pattern(self.settings.classes)

    def values(self, file: str) -> dict[str, str]:
        """What the name or, without a pattern, the sub-folder says."""
        # Some systems take names with accents apart when they store them.
        parts = list(PurePosixPath(unicodedata.normalize("NFC", file)).parts)
        if self._divided:
            split, *parts = parts
            if split not in SPLITS or not parts:
                raise ValueError("is neither in train/ nor in test/")
        if self._pattern is None:
            if self._sorted and len(parts) == 1:
                raise ValueError("lies beside the sub-folders that are the classes")
            return {"class": parts[0]} if self._sorted else {}
        path = PurePosixPath(*parts).with_suffix("")
        match = self._pattern.fullmatch(str(path) if "/" in str(self.settings.classes) else path.name)
        if match is None:
            raise ValueError(f"is not named {self.settings.classes}")
        return match.groupdict()

    def class_name(self, values: dict[str, str]) -> str:
        """The values, in the order of the pattern, with a sign between them that no value has."""
        return "/".join(values.values())

    def divide(self, files: list[str], labels: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """By the folders train/ and test/ where there are both; else at random."""
        if not self._divided:
            return super().divide(files, labels)
        if self.settings.test is not None:
            raise UserError(f"datasets.{self.name}.test: {self.folder} has train/ and test/ already; remove this key")
        where = [PurePosixPath(file).parts[0] for file in files]
        found = {split: np.flatnonzero([split == name for name in where]) for split in SPLITS}
        empty = [f"{split}/" for split, members in found.items() if not len(members)]
        if empty:
            raise UserError(f"{self.folder}: no pictures in {' and '.join(empty)}; put some there, or remove it")
        return found
