"""Each data set read from the formats in which it is published, whole and damaged."""

from __future__ import annotations

import gzip
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from published_formats import (
    archive,
    idx,
    python2_pickle,
    random_images,
    write_cifar10,
    write_cifar100,
    write_fashion,
    write_image_folders,
)

from pcl import datasets
from pcl.datasets.readers import read_idx, unpickle
from pcl.datasets.splits import frozen_permutation, stratified_split
from pcl.errors import UserError


def read(name: str, raw: Path, **settings: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {split: part[:2] for split, part in datasets.make(name, settings, raw).read(lambda line: None).items()}


def assert_same(found: dict, expected: dict) -> None:
    for split, (images, labels) in expected.items():
        np.testing.assert_array_equal(found[split][0], images)
        np.testing.assert_array_equal(found[split][1], labels)


# --- digits


def test_digits_are_scaled_and_split_in_proportion() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    found = read("digits10", Path("nowhere"))
    assert [len(found[split][1]) for split in ("train", "test")] == [1408, 389]
    # Together the splits hold every image once, 16 as 255.
    together = np.concatenate([found["train"][0], found["test"][0]]).reshape(-1, 64)
    expected = np.array([[round(255 * int(v) / 16) for v in row] for row in digits.data])
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, expected.tolist()))
    shares = np.bincount(found["test"][1]) - np.bincount(digits.target) * 389 / 1797
    assert np.abs(shares).max() < 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.data())
def test_stratified_split_is_a_partition_with_fair_shares(labels: list[int], data: st.DataObject) -> None:
    n_test = data.draw(st.integers(1, len(labels)))
    train, test = stratified_split(np.array(labels), n_test)
    assert sorted([*train, *test]) == list(range(len(labels))) and len(test) == n_test
    for label in set(labels):
        share = labels.count(label) * n_test / len(labels)
        assert abs(sum(labels[i] == label for i in test) - share) < 1


def test_the_permutation_is_frozen() -> None:
    assert frozen_permutation(8).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]


# --- pickles


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("module", ["numpy.core.", "numpy._core."])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_pickles_of_every_python_and_numpy_are_read(protocol: int, module: str, as_bytes: bool) -> None:
    images = random_images(2, 3, 2, 0).reshape(2, 12)
    values = {"data": images, "labels": [3, 4]}
    content = pickle.dumps({(k.encode() if as_bytes else k): v for k, v in values.items()}, protocol)
    # Protocol 4 writes the length of a name before it, so that only the older ones can be edited as text.
    if protocol < 4:
        content = content.replace(b"numpy._core.", module.encode())
    found = unpickle(content, "batch")
    np.testing.assert_array_equal(found["data"], images)
    assert found["labels"] == [3, 4]


def test_the_python_2_pickle_of_these_tests_is_one() -> None:
    content = python2_pickle({"data": np.zeros((1, 2), np.uint8), "labels": [1]})
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content and b"_codecs" not in content
    assert set(pickle.loads(content, encoding="bytes")) == {b"data", b"labels"}


class Malicious:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> Any:
        return self.call, self.args


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("nest", [lambda x: x, lambda x: {"data": x}, lambda x: {"labels": [x]}])
def test_a_pickle_that_would_run_code_is_refused_unrun(nest: Any, protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    for evil in (
        Malicious(os.system, f"touch {mark}"),
        Malicious(eval, f"open({str(mark)!r}, 'w')"),
        Malicious(np.load, str(mark), None, True),
    ):
        with pytest.raises(UserError, match=r"(?s)batch_1: .*it asks for .*replace the file"):
            unpickle(pickle.dumps(nest(evil), protocol), "batch_1")
    assert not mark.exists()


def test_a_codec_in_a_pickle_can_only_be_latin_1() -> None:
    import codecs

    with pytest.raises(UserError, match="unexpected encoding"):
        unpickle(pickle.dumps(Malicious(codecs.encode, "text", "rot13"), 2), "batch")


PICKLE = python2_pickle({"data": np.arange(12, dtype=np.uint8).reshape(2, 6), "labels": [3, 4]})


@given(st.integers(0, len(PICKLE) - 1))
def test_every_truncated_pickle_is_a_user_error(length: int) -> None:
    with pytest.raises(UserError, match="batch"):
        unpickle(PICKLE[:length], "batch")


# --- CIFAR


@pytest.mark.parametrize("dump", [python2_pickle, pickle.dumps])
def test_cifar10_is_read_from_its_folder_and_from_its_archive(dump: Any, raw: Path) -> None:
    expected = write_cifar10(raw, dump=dump)
    assert_same(read("cifar10", raw), expected)
    archive(raw / "cifar10" / "cifar-10-batches-py")
    assert_same(read("cifar10", raw), expected)
    shutil.move(raw / "cifar10" / "cifar-10-python.tar.gz", raw)
    assert_same(read("cifar10", raw), expected)


def test_cifar100_reads_fine_labels(raw: Path) -> None:
    expected = write_cifar100(raw)
    assert_same(read("cifar100", raw), expected)
    archive(raw / "cifar100" / "cifar-100-python")
    assert_same(read("cifar100", raw), expected)


def test_an_archive_is_never_unpacked(raw: Path, tmp_path: Path) -> None:
    expected = write_cifar10(raw)
    path = archive(
        raw / "cifar10" / "cifar-10-batches-py",
        {"../../escaped": b"x", str(tmp_path / "absolute"): b"x", "elsewhere/test_batch": b"not a batch"},
    )
    before = sorted(tmp_path.rglob("*"))
    assert_same(read("cifar10", raw), expected)
    assert sorted(tmp_path.rglob("*")) == before and path in before


@pytest.mark.parametrize("kept", [0, 2, 6])
def test_a_half_unpacked_folder_hides_no_archive(kept: int, raw: Path) -> None:
    expected = write_cifar10(raw)
    folder = raw / "cifar10" / "cifar-10-batches-py"
    content = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    archive(folder)
    folder.mkdir()
    for name in list(content)[:kept]:
        (folder / name).write_bytes(content[name])
    assert_same(read("cifar10", raw), expected)


def test_cifar_damage_is_named(raw: Path) -> None:
    write_cifar10(raw)
    folder = raw / "cifar10" / "cifar-10-batches-py"
    whole = (folder / "data_batch_3").read_bytes()

    def refused(content: bytes, problem: str) -> None:
        (folder / "data_batch_3").write_bytes(content)
        with pytest.raises(UserError, match=f"data_batch_3.*{problem}"):
            read("cifar10", raw)

    data, labels = np.zeros((2, 3072), np.uint8), [1, 2]
    refused(whole[:1000], "not a readable pickle")
    refused(b"", "not a readable pickle")
    refused(python2_pickle([1]), "expected a dictionary")
    refused(python2_pickle({"labels": labels}), "`data` is not")
    refused(python2_pickle({"data": data.astype(np.float32), "labels": labels}), "`data` is not")
    refused(python2_pickle({"data": data[:, :9], "labels": labels}), "`data` is not")
    refused(python2_pickle({"data": data, "fine_labels": labels}), "`labels` is not a list of 2")
    refused(python2_pickle({"data": data, "labels": [1]}), "`labels` is not a list of 2")
    refused(python2_pickle({"data": data, "labels": ["1", "2"]}), "`labels` is not a list of 2")
    (folder / "data_batch_3").unlink()
    (folder / "test_batch").unlink()
    with pytest.raises(UserError, match=r"data_batch_3, test_batch missing.*official cifar-10-python\.tar\.gz"):
        read("cifar10", raw)


def test_a_damaged_archive_is_named(raw: Path) -> None:
    write_cifar10(raw)
    path = archive(raw / "cifar10" / "cifar-10-batches-py")
    whole = path.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz: damaged"):
            read("cifar10", raw)
    for position in np.random.default_rng(0).integers(20, len(whole), 20):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz: "):
            read("cifar10", raw)


# --- Fashion


@pytest.mark.parametrize("place", ["fashion10", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("zipped", [False, True])
def test_fashion_is_read_from_every_place(place: str, zipped: bool, tmp_path: Path) -> None:
    raw = tmp_path / "new"
    expected = write_fashion(raw / place, zipped=zipped)
    assert_same(read("fashion10", raw), expected)


@given(arrays(np.uint8, array_shapes(max_dims=4, max_side=5)))
def test_idx_round_trip(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("idx")
    (folder / "a").write_bytes(idx(array))
    (folder / "a.gz").write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(folder / "a"), array)
    np.testing.assert_array_equal(read_idx(folder / "a.gz"), array)


WHOLE = idx(random_images(2, 1, 3, 0)[:, 0])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a", b"", "not an IDX"),
        ("a", WHOLE[:2], "not an IDX"),
        ("a", WHOLE[:9], "announces"),
        ("a", WHOLE[:-1], "announces"),
        ("a", WHOLE + b"x", "announces"),
        ("a", b"\0\0\x0d" + WHOLE[3:], "not an IDX"),
        ("a.gz", WHOLE, "cannot be read"),
        ("a.gz", gzip.compress(WHOLE)[:-12], "cannot be read"),
        ("a.gz", b"", "not an IDX"),
    ],
)
def test_damaged_idx_files_are_named(name: str, content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: .*{problem}.*replace the file"):
        read_idx(tmp_path / name)


def test_fashion_names_the_missing_file(raw: Path) -> None:
    write_fashion(raw / "fashion10")
    (raw / "fashion10" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte .*missing"):
        read("fashion10", raw)


def test_fashion_as_debian_packages_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = Path("/usr/share/datasets/fashion-mnist")
    if not package.is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    monkeypatch.setattr(datasets.find("fashion10"), "places", (str(package),))
    monkeypatch.setattr(datasets.find("fashion10"), "per_class", (6000, 1000))
    manifest = datasets.prepare(datasets.make("fashion10", {}, tmp_path), tmp_path / "out")
    assert manifest.n == {"train": 60000, "test": 10000}


# --- ImageNet

SYNSETS = list(datasets.find("imagenet10").folders)


@pytest.mark.parametrize("place", ["imagenet10", "imagenet/train", "."])
def test_imagenet_is_split_eighty_to_twenty_and_keeps_every_image(place: str, raw: Path) -> None:
    write_image_folders(raw / place, SYNSETS)
    found = read("imagenet10", raw, size=8)
    assert [len(found[split][1]) for split in ("train", "test")] == [40, 10]
    seen = []
    for images, labels in found.values():
        red, green = images[:, 0].mean((1, 2)), images[:, 1].mean((1, 2))
        np.testing.assert_allclose(red, 10 * labels, atol=4)
        seen += [(int(label), round(float(g) / 20)) for label, g in zip(labels, green, strict=True)]
    assert sorted(seen) == [(label, number) for label in range(10) for number in range(5)]


def test_images_are_resized_whole_and_turned_to_rgb(raw: Path) -> None:
    write_image_folders(raw / "imagenet10", SYNSETS)
    odd = {
        "L": Image.linear_gradient("L"),
        "CMYK": Image.linear_gradient("L").convert("CMYK"),
        "P": Image.linear_gradient("L").convert("RGB").quantize(16),
        "RGBA": Image.linear_gradient("L").convert("RGBA"),
    }
    expected = []
    for label, (mode, image) in enumerate(odd.items()):
        path = raw / "imagenet10" / SYNSETS[label] / f"a_{mode}.{'JPEG' if mode in 'L CMYK' else 'png'}"
        image.save(path)
        expected.append(np.asarray(Image.open(path).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)))
    found = read("imagenet10", raw, size=16)
    images = np.concatenate([found["train"][0], found["test"][0]]).transpose(0, 2, 3, 1)
    for image in expected:
        assert any(np.array_equal(image, candidate) for candidate in images)


def test_a_broken_exif_block_does_not_matter(raw: Path) -> None:
    write_image_folders(raw / "imagenet10", SYNSETS)
    before = read("imagenet10", raw, size=8)
    path = raw / "imagenet10" / SYNSETS[0] / f"{SYNSETS[0]}_0.JPEG"
    content = path.read_bytes()
    broken = b"Exif\0\0II*\0\xff\xff\xff\xff garbage"
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(broken) + 2).to_bytes(2, "big") + broken + content[2:])
    assert_same(read("imagenet10", raw, size=8), before)


def test_unreadable_images_are_reported_together(raw: Path) -> None:
    write_image_folders(raw / "imagenet10", SYNSETS)
    bad = sorted((raw / "imagenet10").glob("*/*_1.JPEG")) + sorted((raw / "imagenet10").glob("*/*_2.JPEG"))[:2]
    for number, path in enumerate(bad):
        path.write_bytes([b"", b"no image", path.read_bytes()[:200]][number % 3])
    with pytest.raises(UserError) as error:
        read("imagenet10", raw, size=8)
    lines = str(error.value).splitlines()
    assert lines[0].endswith("12 of 50 images cannot be read:")
    assert len(lines) == 13 and all(any(str(path) in line for path in bad) for line in lines[1:11])
    assert lines[11] == "  … and 2 more" and "original archive" in lines[12]


def test_missing_and_empty_synset_folders_are_listed(raw: Path) -> None:
    write_image_folders(raw / "imagenet10", SYNSETS[:-1])
    (raw / "imagenet10" / SYNSETS[-1]).mkdir()
    shutil.rmtree(raw / "imagenet10" / SYNSETS[2])
    (raw / "imagenet10" / SYNSETS[-1] / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match=r"2 of 10 classes: n02129165 \(lion\), n04461696 \(truck\)"):
        read("imagenet10", raw, size=8)


# --- what is published is complete


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion10"])
def test_incomplete_data_are_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The official counts, which no fixture has touched, are read from the source.
    official = {"cifar10": (5000, 1000), "cifar100": (500, 100), "fashion10": (6000, 1000)}[name]
    source = Path(datasets.__file__).with_name(f"{name}.py").read_text()
    assert f"per_class = {official}" in source
    monkeypatch.setattr(datasets.find(name), "per_class", official)
    if name == "fashion10":
        write_fashion(tmp_path / "fashion10")
    else:
        {"cifar10": write_cifar10, "cifar100": write_cifar100}[name](tmp_path)
    with pytest.raises(UserError, match=f"{name}: train has .* where {official[0]} are published"):
        datasets.prepare(datasets.make(name, {}, tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_must_fit_images_and_classes(tmp_path: Path) -> None:
    write_fashion(tmp_path / "fashion10", zipped=False)
    labels = tmp_path / "fashion10" / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.arange(29) % 10))
    with pytest.raises(UserError, match="train has 30 images but 29 labels"):
        datasets.prepare(datasets.make("fashion10", {}, tmp_path), tmp_path / "out")
    labels.write_bytes(idx(np.arange(30) % 11))
    with pytest.raises(UserError, match="labels outside 0 … 9"):
        datasets.prepare(datasets.make("fashion10", {}, tmp_path), tmp_path / "out")
