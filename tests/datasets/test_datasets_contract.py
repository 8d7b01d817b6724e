"""What every registered data set promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcl import datasets
from pcl.errors import UserError


def test_the_folder_is_the_registry() -> None:
    registry = datasets.registry()
    assert {name: cls.__module__ for name, cls in registry.items()} == {n: f"pcl.datasets.{n}" for n in registry}
    assert all(cls.reader() == name for name, cls in registry.items())
    helpers = {
        "__init__",
        "base",
        "copies",
        "decoding",
        "download",
        "fingerprint",
        "pictures",
        "readers",
        "splits",
        "store",
    }
    assert {path.stem for path in Path(datasets.__file__).parent.glob("*.py")} == set(registry) | helpers


def test_prepared_arrays_keep_the_contract(name: str, dataset: datasets.Dataset, tmp_path: Path) -> None:
    manifest = datasets.prepare(dataset, tmp_path / "out")
    splits = datasets.load(tmp_path / "out")
    assert splits.manifest == manifest
    assert (manifest.dataset, manifest.version, manifest.classes) == (name, dataset.version, dataset.classes())
    assert (manifest.reader, manifest.fingerprint, manifest.fields) == (name, dataset.fingerprint(), dataset.fields())
    assert all(len(values) == len(manifest.classes) for values in manifest.fields.values())
    for split, part in {"train": splits.train, "test": splits.test}.items():
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64
        assert part.images.shape[:2] == (len(part.labels), dataset.channels) == (manifest.n[split], dataset.channels)
        assert part.images.shape[2] == part.images.shape[3]
        assert set(part.labels.tolist()) <= set(range(len(dataset.classes())))
        assert isinstance(part.images, np.memmap) and not part.images.flags.writeable
        seen = {c: sum(part.labels == k) for k, c in enumerate(dataset.classes())}
        assert manifest.per_class[split] == seen


def test_preparing_twice_gives_the_same_bytes(name: str, settings: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        datasets.prepare(datasets.make(name, settings, raw), tmp_path / out)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    of_files = {"test_files.npy", "train_files.npy"} & set(files)
    assert files == sorted(
        [
            "manifest.json",
            "test_images.npy",
            "test_labels.npy",
            "train_images.npy",
            "train_labels.npy",
            *of_files,
        ]
    )
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_missing_data_are_explained(name: str, raw: Path, tmp_path: Path) -> None:
    if not datasets.find(name).places:
        pytest.skip("is not published as files")
    with pytest.raises(UserError) as error:
        datasets.prepare(datasets.make(name, {}, raw), tmp_path / "out")
    for part in ("Get:", f"{raw}/{name}", "GB" if datasets.find(name).folders else "MiB", "Licence:"):
        assert part in str(error.value)
    if not datasets.find(name).folders:
        assert f"`pcl data {name}`" in str(error.value)
    assert all(f in str(error.value) for f in datasets.find(name).folders)
    assert not (tmp_path / "out").exists()


def test_planning_goes_on_without_the_data(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """What is missing has a key too: the same every time, and not that of what is there."""
    settings = settings | ({"path": str(tmp_path / "none")} if "path" in settings else {})
    missing, again = (datasets.make(name, settings, tmp_path / "nowhere") for _ in range(2))
    assert missing.key() == again.key()
    assert missing.fingerprint() in ("", "absent")
    assert (missing.state() is None) == (name != "digits10")


def test_it_is_documented(name: str, dataset: datasets.Dataset) -> None:
    guide = dataset.guide()
    heads = re.findall(r"^([A-Z]\w+):", guide, re.M)
    assert heads[:5] == ["Get", "Put", "Checks", "Licence", "Source"]
    assert len(set(dataset.classes())) == len(dataset.classes())
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f"`{name}`" in page


def test_the_key_follows_version_and_resolved_settings(
    name: str, settings: dict[str, Any], raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(**changes: Any) -> str:
        return datasets.make(name, settings | changes, raw).key()

    assert re.fullmatch("[0-9a-f]{8}", key())
    resolved = datasets.make(name, settings, raw).settings
    assert key(**{field: getattr(resolved, field) for field in type(resolved).model_fields}) == key()
    if "size" in type(resolved).model_fields:
        assert key(size=24) != key()
    before = key()
    monkeypatch.setattr(datasets.find(name), "version", 99)
    assert key() != before


def test_the_same_reader_serves_several_data_sets(name: str, settings: dict[str, Any], raw: Path) -> None:
    other = datasets.make("other", settings | {"reader": name}, raw)
    assert other.name == "other" and other.reader() == name
    assert other.key() != datasets.make(name, settings, raw).key()


def test_keys_differ_between_data_sets(raw: Path) -> None:
    keys = [datasets.make(name, {}, raw).key() for name, cls in datasets.registry().items() if cls.class_names]
    assert len(set(keys)) == len(keys) > 1


def test_unknown_names_and_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        datasets.find("cifar1O")
    with pytest.raises(UserError, match=r"datasets\.imagenet10: siez: unknown key.*did you mean 'size'"):
        datasets.make("imagenet10", {"siez": 64}, tmp_path)
    with pytest.raises(UserError, match=r"datasets\.imagenet10: size"):
        datasets.make("imagenet10", {"size": -1})
    with pytest.raises(UserError, match=r"no such 'photos'; .*your own pictures need `reader: folder`"):
        datasets.make("photos", {"path": "photos"})
    with pytest.raises(UserError, match=r"datasets\.photos\.reader: .*no such 'foldr'; did you mean 'folder'"):
        datasets.make("photos", {"reader": "foldr"})


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
