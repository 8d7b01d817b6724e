"""CIFAR-10."""

from __future__ import annotations

from functools import cached_property
from typing import final

from pcl.datasets import base
from pcl.datasets.copies import Copy
from pcl.datasets.readers import read_cifar

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
COPY = "cifar10-jpeg.tar.gz"


@final
class Dataset(base.Dataset):
    """CIFAR-10: 60,000 colour photographs of 32×32 in ten classes (50,000 train, 10,000 test).

    Get:      `pcl data cifar10`: cifar-10-python.tar.gz, 163 MiB, from https://www.cs.toronto.edu/~kriz/cifar.html
    Put:      the archive, or its folder cifar-10-batches-py, into <raw>/cifar10 or <raw>; or a copy as picture files
              in train/<class>/ and test/<class>/, or cifar10-jpeg.tar.gz with these folders; reports then say so
    Checks:   the archive's sha256 when downloaded; 5,000 train and 1,000 test images of every class
    Licence:  none stated by its authors; research use with citation is customary
    Source:   Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009
    """

    class_names = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    channels = 3
    version = 1
    per_class = (5000, 1000)
    marks = (FOLDER, ARCHIVE, COPY, "train/airplane")
    places = ("cifar10", ".")
    files = (
        base.OfficialFile(
            f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    )

    @cached_property
    def copy(self) -> Copy | None:
        """The copy that stands for the official files where there are none."""
        place = self.place()
        if place is None or any((place / name).exists() for name in (FOLDER, ARCHIVE)):
            return None
        found = Copy(place, COPY, self.class_names, 32, self.channels)
        return found if found.found else None

    def fingerprint(self) -> str:
        """Empty for the official files; for a copy, a digest that says so."""
        return "" if self.copy is None else self.copy.fingerprint(self.name)

    @property
    def remark(self) -> str:
        """That a copy was read, if one was."""
        return (
            "" if self.copy is None else "CIFAR-10 was read from a JPEG copy, whose pixels are not the official ones."
        )

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits, in the order of the official batches; of a copy, in that of its classes and file names."""
        if self.copy is not None:
            return self.copy.read(self.per_class, progress)
        batches = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
        return read_cifar(self.locate(), FOLDER, ARCHIVE, batches, "labels")
