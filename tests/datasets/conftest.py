from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pcl import datasets


def sample(name: str) -> ModuleType:
    """How a small version of a data set looks: `write(raw)` writes it and returns the settings to read it with.

    `PER_CLASS` says how many images of each class that makes in train and test, where the data set fixes them.
    """
    assert (Path(__file__).parent / f"sample_{name}.py").exists(), f"write tests/datasets/sample_{name}.py"
    return importlib.import_module(f"sample_{name}")


@pytest.fixture(autouse=True)
def small_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The generated files are smaller than the published ones, and no file of this system counts or remains."""
    monkeypatch.setattr("pcl.datasets.fingerprint.CACHE", tmp_path / "cache")
    for name, dataset in datasets.registry().items():
        if dataset.per_class is not None:
            monkeypatch.setattr(dataset, "per_class", sample(name).PER_CLASS)
        monkeypatch.setattr(dataset, "places", tuple(p for p in dataset.places if not p.startswith("/")))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture(params=sorted(datasets.registry()))
def name(request: pytest.FixtureRequest) -> str:
    """Every registered data set."""
    return request.param


@pytest.fixture
def settings(name: str, raw: Path) -> dict[str, Any]:
    """Settings of the data set `name`, whose files are now in the raw folder."""
    return sample(name).write(raw)


@pytest.fixture
def dataset(name: str, raw: Path, settings: dict[str, Any]) -> datasets.Dataset:
    """The data set `name`, whose files are in the raw folder."""
    return datasets.make(name, settings, raw)
