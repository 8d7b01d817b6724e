"""What is known about one folder of pictures: their numbers, their thumbnails, and what was left out and why.

A picture is its bytes. Its number is for life, wherever in the folder the file moves; a file with other bytes is
another picture. All of this lies in a private place outside the folder, which is read and never written.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcl.datasets.decoding import listed
from pcl.datasets.fingerprint import SETTLED, Found
from pcl.errors import UserError
from pcl.label import private, scan, thumbnails
from pcl.label.index import Index, Known, Picture
from pcl.label.scan import LeftOut

__all__ = ["LeftOut", "Library", "Picture", "home"]

Report = Callable[[str, int, int], None]
home = private.home


def silent(what: str, done: int, of: int) -> None:
    """Tell nobody how far the work is."""


@dataclass(frozen=True)
class Library:
    """One folder of pictures.

    Attributes:
        folder: the folder, without links in its path.
        place: the private folder of all that is known about it.
        pictures: by number; those that have vanished stay, with `gone`.
        left_out: what lies in the folder and is not among them, and why.
    """

    folder: Path
    place: Path
    pictures: list[Picture]
    left_out: list[LeftOut]

    @classmethod
    def open(cls, folder: Path, home: Path | None = None, report: Report = silent) -> Library:
        """Look at a folder, and read what is new in it.

        Args:
            folder: with pictures, nested or flat.
            home: where private places lie; `private.home()` by default.
            report: told what is being done, how many files are done, and of how many.

        Raises:
            UserError: there is no such folder or no picture in it, or the private place cannot be written.
        """
        folder = scan.checked(folder)
        place = private.place(folder, home)
        with private.locked(place):
            index = Index.read(place)
            found, left = scan.walk(folder, without=[place.parent])
            now = _read(folder, place, found, index, report)
            own, others = _sorted_out(found, now, index.pictures)
            left = sorted([*left, *others], key=lambda item: item.path)
            if not own:
                raise _nothing(folder, left)
            pictures = _numbered(index.pictures, own, now)
            Index(pictures, now).write(place, unless=index)
        return cls(folder, place, pictures, left)

    def thumbnail(self, image: int) -> Path:
        """The file of a picture's thumbnail: WebP, at most 320 pixels a side; made anew where it was deleted.

        Raises:
            UserError: it cannot be made again.
        """
        path = _thumbnail(self.place, self.pictures[image].sha256)
        if not self.thumbnailed(image):
            try:
                taken = thumbnails.take(self.file(image))
            except thumbnails.Refused as error:
                raise UserError(f"{self.file(image)}: {error}") from error
            if taken.sha256 != self.pictures[image].sha256:
                raise UserError(f"{self.file(image)}: another picture than before; start again, and it is a new one")
            _keep(path, taken.thumbnail)
        return path

    def large(self, image: int) -> bytes:
        """The picture as WebP of at most 1280 pixels a side; its thumbnail where the file is gone or another."""
        with suppress(thumbnails.Refused):
            return thumbnails.large(self.file(image), self.pictures[image].sha256)
        return self.thumbnail(image).read_bytes()

    def paths(self, image: int) -> list[str]:
        """Where a picture lies in the folder: its own path, and those of exact copies; none where it is gone."""
        own = self.pictures[image]
        return [] if own.gone else [own.path, *self._copies.get(own.path, ())]

    @cached_property
    def _copies(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for item in self.left_out:
            if item.original:
                found.setdefault(item.original, []).append(item.path)
        return found

    def thumbnailed(self, image: int) -> bool:
        """Whether a picture's thumbnail is there."""
        return _thumbnail(self.place, self.pictures[image].sha256).exists()

    def file(self, image: int) -> Path:
        """The original, if it is still there."""
        return self.folder / self.pictures[image].path

    def array(self, image: int) -> NDArray[np.uint8]:
        """The thumbnail's pixels: RGB, uint8 [H, W, 3], at most 320 a side. Features are made from them."""
        return thumbnails.pixels(self.thumbnail(image))


def _read(folder: Path, place: Path, found: list[Found], before: Index, report: Report) -> dict[str, Known]:
    """What every file holds; only files that are new or have changed are opened."""
    now, readers = time.time_ns(), thumbnails.readers()
    known = {file.path: before.recall(file, readers) for file in found}
    todo = [file for file in found if known[file.path] is None]

    def read(file: Found) -> Known:
        # What has changed within this tick of the clock may change again without another date.
        stamp = file[1:] if now - file.changed > SETTLED else (-1, 0, 0)
        try:
            taken = thumbnails.take(folder / file.path)
        except thumbnails.Refused as error:
            return Known(*stamp, reason=str(error), readers=readers)
        _keep(_thumbnail(place, taken.sha256), taken.thumbnail)
        return Known(*stamp, taken.sha256, taken.width, taken.height)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        futures = [pool.submit(read, file) for file in todo]
        try:
            for done, (file, future) in enumerate(zip(todo, futures, strict=True)):
                report("reading pictures", done, len(todo))
                known[file.path] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if todo:
        report("reading pictures", len(todo), len(todo))
    return {path: about for path, about in known.items() if about is not None}


def _sorted_out(
    found: list[Found], known: dict[str, Known], numbered: list[Picture]
) -> tuple[dict[str, str], list[LeftOut]]:
    """The path of every digest, and the files that are no pictures or copies; a path that has a number stays."""
    holding = {picture.path: picture.sha256 for picture in numbered}
    first = [file for file in found if holding.get(file.path) == known[file.path].sha256]
    own = {known[file.path].sha256: file.path for file in reversed(first)}
    left = []
    for file in found:
        about = known[file.path]
        if about.reason:
            left.append(LeftOut(file.path, about.reason))
        elif (other := own.setdefault(about.sha256, file.path)) != file.path:
            left.append(LeftOut(file.path, f"duplicate of {other}", other))
    return own, left


def _numbered(before: list[Picture], own: dict[str, str], known: dict[str, Known]) -> list[Picture]:
    """All pictures there ever were, the new ones last, in the order of their paths."""
    left = dict(own)
    pictures = []
    for picture in before:
        path = left.pop(picture.sha256, None)
        pictures.append(replace(picture, path=path or picture.path, gone=path is None))
    for sha256, path in sorted(left.items(), key=lambda item: item[1]):
        pictures.append(Picture(path, sha256, known[path].width, known[path].height, gone=False))
    return pictures


def _thumbnail(place: Path, sha256: str) -> Path:
    return place / "thumbnails" / sha256[:2] / f"{sha256}.webp"


def _keep(path: Path, content: bytes) -> None:
    """Write a thumbnail, whole or not at all; it need not outlive a loss of power, since it can be made again."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        for folder in (path.parents[1], path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free the disk or change the rights, and start again"
        ) from error


def _nothing(folder: Path, left: list[LeftOut]) -> UserError:
    head = f"{folder}: no pictures in it; name the folder that holds your pictures"
    return UserError(listed(f"{head}. Left out:", [f"{item.path}: {item.reason}" for item in left]) if left else head)
