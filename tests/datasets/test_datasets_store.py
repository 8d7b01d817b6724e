"""The prepared folder: complete or refused, and never half believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcl import datasets
from pcl.errors import UserError

FILES = ("train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    datasets.prepare(datasets.make("digits10", {}), tmp_path / "digits10")
    return tmp_path / "digits10"


def test_the_manifest_holds_the_digest_of_each_file(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, record in manifest["arrays"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == record["sha256"]
        assert list(np.load(folder / name).shape) == record["shape"]


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "short", "other"])
def test_a_damaged_folder_is_refused_with_a_way_out(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        np.save(path.open("wb"), np.zeros(3, np.float32))
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else -40])
    with pytest.raises(UserError) as error:
        datasets.load(folder)
    assert str(path) in str(error.value)
    assert f"delete its folder and run: snakemake --cores 2 {folder / 'manifest.json'}" in str(error.value)


def test_the_numbers_of_images_and_labels_must_agree(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["n"]["train"] -= 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="train images, labels and `n` differ"):
        datasets.load(folder)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_changed_byte_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[content.rindex(b"1") if name == "manifest.json" else -1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: damaged, or not the file that was written here"):
        datasets.load(folder)


def test_a_manifest_of_an_earlier_version_is_read(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(datasets.load(folder).train.images) == manifest["n"]["train"]


def test_an_interrupted_preparation_leaves_no_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def save_twice(file: Any, arr: np.ndarray, **kwargs: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(file.name)
        file.write(b"new")

    monkeypatch.setattr(np, "save", save_twice)
    with pytest.raises(KeyboardInterrupt):
        datasets.prepare(datasets.make("digits10", {}), folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read \(No such file"):
        datasets.load(folder)
    monkeypatch.undo()
    datasets.prepare(datasets.make("digits10", {}), folder)
    datasets.load(folder)


def test_an_unwritable_place_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"file/digits10/manifest\.json: cannot be written"):
        datasets.prepare(datasets.make("digits10", {}), tmp_path / "file" / "digits10")
