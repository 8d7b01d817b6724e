"""CIFAR-10."""

from __future__ import annotations

from typing import final

from pcl.datasets import base
from pcl.datasets.readers import read_cifar

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"


@final
class Dataset(base.Dataset):
    """CIFAR-10: 60,000 colour photographs of 32×32 in ten classes (50,000 train, 10,000 test).

    Get:      `pcl data cifar10`: cifar-10-python.tar.gz, 163 MiB, from https://www.cs.toronto.edu/~kriz/cifar.html
    Put:      the archive, or its folder cifar-10-batches-py, into <raw>/cifar10 or <raw>
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
    marks = (FOLDER, ARCHIVE)
    places = ("cifar10", ".")
    files = (
        base.OfficialFile(
            f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    )

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits, in the order of the official batches."""
        batches = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
        return read_cifar(self.locate(), FOLDER, ARCHIVE, batches, "labels")
