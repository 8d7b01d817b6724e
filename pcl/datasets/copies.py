"""Published data sets as picture files in `train/<class>/` and `test/<class>/`: a layout that many people have."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pcl.datasets import fingerprint
from pcl.datasets.base import Arrays, Progress, Split
from pcl.datasets.decoding import ENDINGS, decode, listed
from pcl.datasets.readers import DAMAGED
from pcl.errors import UserError

SPLITS = ("train", "test")
Names = tuple[str, ...]


class Copy:
    """A copy of a data set: a folder with train/ and test/, or an archive of it."""

    def __init__(self, place: Path, archive: str, classes: Names, size: int, channels: int) -> None:
        """Look for a copy in a place: the folder itself comes first, then the archive in it."""
        self.place, self.classes, self.size, self.channels = place, classes, size, channels
        self.archive = place / archive
        self.folders = [f"{split}/{name}" for split in SPLITS for name in classes]
        self.unpacked = all((place / folder).is_dir() for folder in self.folders)

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return self.unpacked or self.archive.is_file()

    def fingerprint(self, name: str) -> str:
        """A digest of its content, marked as that of a copy."""
        if self.unpacked:
            files = fingerprint.find(self.place, self.folders)
        else:
            files = [file for file in fingerprint.find(self.place) if file.path == self.archive.name]
        return f"JPEG copy {fingerprint.fingerprint(name, self.place, files)}"

    def read(self, per_class: tuple[int, int], progress: Progress) -> Arrays:
        """Both splits, in the order of classes and of file names.

        Raises:
            UserError: a picture cannot be read, or a class has too few or too many.
        """
        found: dict[str, list[tuple[str, bytes]]] = {folder: [] for folder in self.folders}
        for path, content in self._files():
            folder = str(PurePosixPath(path).parent)
            if folder in found and path.lower().endswith(ENDINGS):
                found[folder].append((path, content))
        expected = dict(zip(SPLITS, per_class, strict=True))
        wrong = [
            f"{folder}: {len(files)} pictures instead of {expected[folder.partition('/')[0]]}"
            for folder, files in found.items()
            if len(files) != expected[folder.partition("/")[0]]
        ]
        if wrong:
            raise UserError(listed(f"{self._where}: not a whole copy; get it again:", wrong))
        return {split: self._split(split, found, progress) for split in SPLITS}

    @property
    def _where(self) -> Path:
        return self.place if self.unpacked else self.archive

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Paths from train/ or test/ on, and what the files hold."""
        if self.unpacked:
            for file in fingerprint.find(self.place, self.folders):
                yield file.path, (self.place / file.path).read_bytes()
            return
        try:
            with gzip.open(self.archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as archive:
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        yield "/".join(PurePosixPath(member.name).parts[-3:]), stream.read()
                while unzipped.read(1 << 20):  # gzip compares its checksum only at the very end
                    pass
        except DAMAGED as error:
            raise UserError(f"{self.archive}: damaged or cut short ({error}); get it again") from error

    def _split(self, split: str, found: dict[str, list[tuple[str, bytes]]], progress: Progress) -> Split:
        files = [(path, content, label) for label, name in enumerate(self.classes)
                 for path, content in sorted(found[f"{split}/{name}"])]  # fmt: skip
        images = np.empty((len(files), self.channels, self.size, self.size), np.uint8)
        broken = []
        for row, (path, content, _) in enumerate(files):
            try:
                images[row] = decode(io.BytesIO(content), self.size, self.channels)
            # Pillow meets damaged files with many kinds of exception; all of them go into one report.
            except Exception as error:
                broken.append(f"{path} ({error})")
            if (row + 1) % 5000 == 0:
                progress(f"{split}: {row + 1} of {len(files)} images")
        if broken:
            raise UserError(listed(f"{self._where}: {len(broken)} pictures cannot be read:", broken))
        labels = np.array([label for *_, label in files], np.int64)
        return Split(images, labels, np.array([path for path, *_ in files]))
