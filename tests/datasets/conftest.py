from __future__ import annotations

from pathlib import Path

import pytest
from published_formats import write_cifar10, write_cifar100, write_fashion, write_image_folders

from pcl import datasets

# What must lie in the raw folder for each data set, and how many images of each class that makes.
WRITERS = {
    "digits10": lambda raw: None,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "fashion10": lambda raw: write_fashion(raw / "fashion10"),
    "imagenet10": lambda raw: write_image_folders(raw / "imagenet10", list(datasets.find("imagenet10").folders)),
    "imagenetdogs": lambda raw: write_image_folders(
        raw / "imagenet" / "train", list(datasets.find("imagenetdogs").folders)
    ),
}
PER_CLASS = {"cifar10": (5, 1), "cifar100": (2, 1), "fashion10": (3, 1)}


@pytest.fixture(autouse=True)
def small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated files are smaller than the published ones, and no file of this system counts."""
    for name, counts in PER_CLASS.items():
        dataset = datasets.find(name)
        monkeypatch.setattr(dataset, "per_class", counts)
        monkeypatch.setattr(dataset, "places", tuple(p for p in dataset.places if not p.startswith("/")))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture(params=sorted(datasets.registry()))
def name(request: pytest.FixtureRequest) -> str:
    """Every registered data set."""
    return request.param


@pytest.fixture
def published(name: str, raw: Path) -> Path:
    """A raw folder with the files of the data set `name`."""
    assert name in WRITERS, f"tell tests/datasets/conftest.py how {name} is published"
    WRITERS[name](raw)
    return raw
