"""The index of a library on disk: which picture has which number, and what every file was found to hold."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from pcl import artifacts, seals
from pcl.datasets.fingerprint import Found

NAME = "library.json"


@dataclass(frozen=True)
class Picture:
    """A picture that has a number.

    Attributes:
        path: relative to the folder, with slashes; the last known one where the picture is gone.
        sha256: of its file, in hexadecimal digits.
        width: pixels of the original, turned upright.
        height: the same.
        gone: the folder has no such file any more.
    """

    path: str
    sha256: str
    width: int
    height: int
    gone: bool


@dataclass(frozen=True)
class Known:
    """What a file of a size and dates was found to hold: a picture, or a reason why it is none to these readers."""

    size: int
    modified: int
    changed: int
    sha256: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    readers: str = ""


@dataclass(frozen=True)
class Index:
    """Pictures by number, and files by path."""

    pictures: list[Picture]
    files: dict[str, Known]

    @classmethod
    def read(cls, place: Path) -> Index:
        """The index of a place; an empty one where there is none yet.

        Raises:
            UserError: it is damaged.
        """
        path = place / NAME
        if not path.exists():
            return cls([], {})
        with seals.refusing(path, "put it back from a backup, or delete its folder: answers count pictures by it"):
            content = seals.opened(json.loads(path.read_bytes()), place.name)
            files = {name: Known(*about) for name, about in content["files"].items()}
            return cls([Picture(*about) for about in content["pictures"]], files)

    def write(self, place: Path, unless: Index) -> None:
        """Write it for its owner alone, unless it is the same as another.

        Raises:
            UserError: it cannot be written.
        """
        if self == unless:
            return
        content: dict[str, Any] = {
            "pictures": [astuple(picture) for picture in self.pictures],
            "files": {name: astuple(known) for name, known in self.files.items()},
        }
        path = place / NAME
        artifacts.write(path, json.dumps(seals.sealed(json.loads(json.dumps(content)), place.name)))
        path.chmod(0o600)

    def recall(self, file: Found, readers: str) -> Known | None:
        """What a file holds that is as it was, unless other readers may make more of it."""
        known = self.files.get(file.path)
        if known is None or (known.size, known.modified, known.changed) != file[1:]:
            return None
        return None if known.reason and known.readers != readers else known
