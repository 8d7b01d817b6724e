"""Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import final

from pcl.datasets import base
from pcl.datasets.readers import read_idx
from pcl.errors import UserError

SERVER = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
PREFIX = {"train": "train", "test": "t10k"}


@final
class Dataset(base.Dataset):
    """Fashion-MNIST: 70,000 grey photographs of clothing, 28×28, ten classes (60,000 train, 10,000 test).

    Get:      `pcl data fashion10`: four files, 30 MiB, from https://github.com/zalandoresearch/fashion-mnist;
              or Debian's package dataset-fashion-mnist
    Put:      the four IDX files, gzipped or not, into <raw>/fashion10, <raw>/FashionMNIST/raw (as torchvision
              does) or <raw>; Debian's package is found where it installs itself
    Checks:   the files' sha256 when downloaded; 6,000 train and 1,000 test images of every class
    Licence:  MIT (Zalando SE)
    Source:   Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017
    """

    class_names = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    channels = 1
    version = 1
    per_class = (6000, 1000)
    places = ("fashion10", "FashionMNIST/raw", ".", "/usr/share/datasets/fashion-mnist")
    files = (
        base.OfficialFile(
            f"{SERVER}/train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        base.OfficialFile(
            f"{SERVER}/train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        base.OfficialFile(
            f"{SERVER}/t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        base.OfficialFile(
            f"{SERVER}/t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )
    marks = tuple(name for file in files for name in (file.name, file.name.removesuffix(".gz")))

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits, in the official order."""
        place = self.locate()
        arrays: base.Arrays = {}
        for split, prefix in PREFIX.items():
            images = read_idx(_plain_or_zipped(place / f"{prefix}-images-idx3-ubyte"))
            labels = read_idx(_plain_or_zipped(place / f"{prefix}-labels-idx1-ubyte"))
            if images.ndim != 3 or labels.ndim != 1:
                raise UserError(f"{place}: {prefix}-… holds no images with labels; replace the files")
            arrays[split] = base.Split(images[:, None], labels.astype("int64"))
        return arrays


def _plain_or_zipped(path: Path) -> Path:
    for found in (path, path.with_name(f"{path.name}.gz")):
        if found.is_file():
            return found
    raise UserError(f"{path} (or {path.name}.gz) is missing beside the other files; get it again")
