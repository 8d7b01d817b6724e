"""What every registered data set promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pcl import datasets
from pcl.errors import UserError


def settings_of(name: str) -> dict[str, int]:
    return {"size": 16} if name.startswith("imagenet") else {}


def test_the_folder_is_the_registry() -> None:
    registry = datasets.registry()
    assert {name: cls.__module__ for name, cls in registry.items()} == {n: f"pcl.datasets.{n}" for n in registry}
    assert all(cls.name() == name for name, cls in registry.items())
    helpers = {"__init__", "base", "download", "readers", "store"}
    assert {path.stem for path in Path(datasets.__file__).parent.glob("*.py")} == set(registry) | helpers


def test_prepared_arrays_keep_the_contract(name: str, published: Path, tmp_path: Path) -> None:
    dataset = datasets.find(name)
    manifest = datasets.prepare(name, settings_of(name), published, tmp_path / "out")
    splits = datasets.load(tmp_path / "out")
    assert splits.manifest == manifest == datasets.verify(tmp_path / "out")
    assert (manifest.dataset, manifest.version, manifest.classes) == (name, dataset.version, dataset.classes)
    for split, part in {"train": splits.train, "test": splits.test}.items():
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64
        assert part.images.shape[:2] == (len(part.labels), dataset.channels) == (manifest.n[split], dataset.channels)
        assert part.images.shape[2] == part.images.shape[3]
        assert set(part.labels.tolist()) <= set(range(len(dataset.classes)))
        assert isinstance(part.images, np.memmap) and not part.images.flags.writeable
        seen = {c: sum(part.labels == k) for k, c in enumerate(dataset.classes)}
        assert manifest.per_class[split] == seen


def test_preparing_twice_gives_the_same_bytes(name: str, published: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        datasets.prepare(name, settings_of(name), published, tmp_path / out)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [
        "manifest.json",
        "test_images.npy",
        "test_labels.npy",
        "train_images.npy",
        "train_labels.npy",
    ]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_missing_data_are_explained(name: str, raw: Path, tmp_path: Path) -> None:
    if name == "digits10":
        pytest.skip("comes with scikit-learn")
    with pytest.raises(UserError) as error:
        datasets.prepare(name, {}, raw, tmp_path / "out")
    for part in ("Get:", f"{raw}/{name}", "GB" if datasets.find(name).folders else "MiB", "Licence:"):
        assert part in str(error.value)
    if not datasets.find(name).folders:
        assert f"`pcl data {name}`" in str(error.value)
    assert all(f in str(error.value) for f in datasets.find(name).folders)
    assert not (tmp_path / "out").exists()


def test_it_is_documented(name: str) -> None:
    guide = datasets.find(name).guide(Path("data"))
    heads = re.findall(r"^([A-Z]\w+):", guide, re.M)
    assert heads[:5] == ["Get", "Put", "Checks", "Licence", "Source"]
    assert len(set(datasets.find(name).classes)) == len(datasets.find(name).classes)
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f"`{name}`" in page


def test_the_key_follows_version_and_resolved_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = datasets.data_key(name, {})
    assert re.fullmatch("[0-9a-f]{8}", key)
    assert datasets.data_key(name, datasets.find(name).Settings().model_dump()) == key
    if "size" in datasets.find(name).Settings.model_fields:
        assert datasets.data_key(name, {"size": 64}) != key
    monkeypatch.setattr(datasets.find(name), "version", 99)
    assert datasets.data_key(name, {}) != key


def test_keys_differ_between_data_sets() -> None:
    keys = [datasets.data_key(name, {}) for name in datasets.registry()]
    assert len(set(keys)) == len(keys)


def test_unknown_names_and_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        datasets.find("cifar1O")
    with pytest.raises(UserError, match=r"datasets\.imagenet10: siez: unknown key.*did you mean 'size'"):
        datasets.prepare("imagenet10", {"siez": 64}, tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match=r"datasets\.imagenet10: size"):
        datasets.data_key("imagenet10", {"size": -1})


def test_the_raw_folder_is_an_argument_then_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PCL_DATA", raising=False)
    assert datasets.raw_folder() == Path("data")
    monkeypatch.setenv("PCL_DATA", "/somewhere")
    assert datasets.raw_folder() == Path("/somewhere")
    assert datasets.raw_folder(Path("here")) == Path("here")


def test_importing_does_not_bring_torch_or_pillow() -> None:
    code = (
        "import sys; from pcl import datasets, orientations; from pcl.datasets import download; "
        "datasets.registry(); orientations.available(); "
        "sys.exit(str({'torch', 'PIL', 'sklearn'} & set(sys.modules)) if "
        "{'torch', 'PIL', 'sklearn'} & set(sys.modules) else 0)"
    )
    root = Path(datasets.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
