"""Anybody's folder of pictures: what its names tell, how it is split, how each picture is read, and its key."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pcl import datasets
from pcl.datasets import fingerprint
from pcl.datasets.decoding import decode
from pcl.datasets.folder import pattern
from pcl.errors import UserError

CARDS = [f"{deck}__{suit}__{rank}" for deck in "ab" for suit in ("club", "heart") for rank in ("1", "2", "king")]


def picture(path: Path, colour: int | tuple[int, ...] = (200, 100, 0), mode: str = "RGB", **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (12, 16), colour).save(path, **how)
    return path


def numbered(folder: Path, names: list[str]) -> Path:
    """A picture for each name, each with a colour of its own."""
    for number, name in enumerate(names):
        picture(folder / name, (number, 100, 0))
    return folder


def photos(folder: Path, **settings: Any) -> datasets.Dataset:
    return datasets.make("photos", {"reader": "folder", "path": str(folder), "size": 8} | settings)


def read(folder: Path, **settings: Any) -> dict[str, dict[str, str | None]]:
    """Split -> file -> class."""
    dataset = photos(folder, **settings)
    classes = dataset.classes()
    return {
        split: {
            str(file): None if part.labels is None else classes[part.labels[row]]
            for row, file in enumerate(part.files)
        }
        for split, part in dataset.read(lambda line: None).items()
    }


def refusal(folder: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as error:
        photos(folder, **settings).read(lambda line: None)
    return str(error.value)


# --- what names tell


def test_a_sub_folder_is_a_class(tmp_path: Path) -> None:
    names = [f"{animal}/{number}.png" for animal in ("cat", "dog") for number in range(5)]
    numbered(tmp_path, [*names, "dog/in Spain/one.PNG"])
    dataset = photos(tmp_path)
    assert dataset.classes() == ("cat", "dog") and dataset.fields() == {"class": ("cat", "dog")}
    found = read(tmp_path)
    assert {file: name for part in found.values() for file, name in part.items()} == {
        name: name[:3] for name in [*names, "dog/in Spain/one.PNG"]
    }
    assert dataset.state() == f"11 pictures in {tmp_path}"


def test_a_pattern_reads_fields_from_the_names(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{name}.png" for name in CARDS])
    dataset = photos(tmp_path, classes="{deck}__{suit}__{rank}")
    assert dataset.classes() == tuple(name.replace("__", "/") for name in CARDS)
    assert dataset.fields() == {
        "deck": tuple(name.split("__")[0] for name in CARDS),
        "suit": tuple(name.split("__")[1] for name in CARDS),
        "rank": tuple(name.split("__")[2] for name in CARDS),
    }
    assert photos(tmp_path, classes="{}__{suit}__{}").fields() == {"suit": ("club", "heart")}


def test_a_pattern_with_a_slash_reads_the_folders_too(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{who}/{year}-{n}.jpeg" for who in ("ann", "bo") for year in (1999, 2001) for n in range(2)])
    assert photos(tmp_path, classes="{who}/{year}-{}").fields() == {
        "who": ("ann", "ann", "bo", "bo"),
        "year": ("1999", "2001", "1999", "2001"),
    }
    assert photos(tmp_path, classes="{year}-{}").classes() == ("1999", "2001")


def test_pictures_without_classes_have_no_labels(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{number}.png" for number in range(10)])
    dataset = photos(tmp_path)
    assert dataset.classes() == () and dataset.fields() == {}
    manifest = datasets.prepare(dataset, tmp_path / "out")
    splits = datasets.load(tmp_path / "out")
    assert splits.train.labels is None and splits.test.labels is None
    assert manifest.n == {"train": 8, "test": 2} and manifest.per_class == {"train": {}, "test": {}}
    assert splits.manifest == manifest
    assert sorted([*splits.train.files, *splits.test.files]) == [f"{number}.png" for number in range(10)]


def test_a_pattern_that_keeps_nothing_leaves_folders_unnamed(tmp_path: Path) -> None:
    """Folders by date are no classes, and saying so is enough."""
    numbered(tmp_path, [f"2020-0{n}/{n}.png" for n in range(5)])
    assert photos(tmp_path).classes() != ()
    assert photos(tmp_path, classes="{}").classes() == ()


def test_names_are_the_same_however_accents_are_stored(tmp_path: Path) -> None:
    apart, whole = "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}t"
    numbered(tmp_path, [f"{apart}/1.png", f"{apart}/2.png"])
    assert photos(tmp_path).classes() == (f"{whole}\N{LATIN SMALL LETTER E WITH ACUTE}",)


def test_hidden_files_and_other_files_do_not_count(tmp_path: Path) -> None:
    numbered(tmp_path, ["cat/1.png", "dog/1.png", ".trash/1.png", "cat/.2.png"])
    before = photos(tmp_path).fingerprint()
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "Thumbs.db").write_text("no picture")
    assert photos(tmp_path).fingerprint() == before
    assert {name for part in read(tmp_path).values() for name in part} == {"cat/1.png", "dog/1.png"}


def test_links_to_folders_are_followed_and_end(tmp_path: Path) -> None:
    numbered(tmp_path / "elsewhere", ["1.png", "2.png"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "mine")
    assert {name for part in read(tmp_path / "mine").values() for name in part} == {"cat/1.png", "cat/2.png"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("suit", "it has no part in braces"),
        ("{a}{b}", "two parts need a text between them"),
        ("{a}_{a}", "{a} must be one word, given once"),
        ("{a b}", "{a b} must be one word"),
        ("{a:3}", "{a} must be one word"),
        ("{a", "expected '}'"),
    ],
)
def test_what_is_no_pattern_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        photos(tmp_path, classes=text)
    assert problem in str(error.value) and "datasets.photos: classes:" in str(error.value)


@given(st.lists(st.text("abc.- ", min_size=1), min_size=1, max_size=4))
def test_a_pattern_finds_what_a_name_was_made_of(values: list[str]) -> None:
    fields = [f"f{number}" for number in range(len(values))]
    match = pattern("__".join(f"{{{field}}}" for field in fields)).fullmatch("__".join(values))
    assert match and match.groupdict() == dict(zip(fields, values, strict=True))


# --- what is wrong with a folder


def test_names_that_do_not_fit_are_listed_together(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{name}.png" for name in CARDS] + [f"IMG_{n}.png" for n in range(12)])
    lines = refusal(tmp_path, classes="{deck}__{suit}__{rank}").splitlines()
    assert lines[0] == f"datasets.photos: 12 of 24 pictures in {tmp_path} tell no class:"
    assert lines[1] == "  IMG_0.png: is not named {deck}__{suit}__{rank}"
    assert lines[11:] == ["  … and 2 more", "Rename or move them, or change `classes`."]


def test_a_picture_beside_the_classes_is_named(tmp_path: Path) -> None:
    numbered(tmp_path, ["cat/1.png", "dog/1.png", "who.png"])
    assert "who.png: lies beside the sub-folders that are the classes" in refusal(tmp_path)


def test_a_folder_without_pictures_says_what_to_do(tmp_path: Path) -> None:
    assert f"datasets.photos.path: {tmp_path}: no pictures in it" in refusal(tmp_path)
    message = refusal(tmp_path / "nowhere")
    assert f"datasets.photos.path: {tmp_path}/nowhere: no such folder" in message
    assert "`datasets: {photos: {reader: folder, path: …}}`" in message


def test_one_picture_is_not_enough(tmp_path: Path) -> None:
    numbered(tmp_path, ["1.png"])
    assert "1 pictures; at least one to train and one to test on" in refusal(tmp_path)


def test_unreadable_pictures_are_reported_together(tmp_path: Path) -> None:
    numbered(tmp_path, [f"{number}.png" for number in range(5)])
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    message = refusal(tmp_path)
    assert f"{tmp_path}: 3 of 6 images cannot be read:" in message
    assert all(name in message for name in ("1.png", "3.png", "phone.heic"))


def test_paths_start_from_the_home_or_from_params_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered(tmp_path / "photos", ["1.png", "2.png"])
    monkeypatch.setenv("HOME", str(tmp_path))
    for path, root in (("~/photos", Path("elsewhere")), ("photos", tmp_path)):
        dataset = datasets.make("photos", {"reader": "folder", "path": path}, root=root)
        assert dataset.place() == tmp_path / "photos"


# --- splits


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4), share=st.floats(0.05, 0.9))
def test_every_class_gives_its_share_to_test(sizes: list[int], share: float) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    if len(labels) < 2:
        return
    dataset = photos(Path("nowhere"), test=share)
    splits = dataset.divide([str(n) for n in range(len(labels))], labels)
    assert sorted([*splits["train"], *splits["test"]]) == list(range(len(labels)))
    n_test = len(splits["test"])
    assert n_test == min(max(round(share * len(labels)), 1), len(labels) - 1)
    taken = Counter(labels[splits["test"]].tolist())
    assert all(abs(taken[label] - size * n_test / len(labels)) < 1 for label, size in enumerate(sizes))


def test_a_class_for_every_picture_is_split_at_random_and_not_in_step(tmp_path: Path) -> None:
    """Five ranks and a fifth of the pictures: equal distances along the names would test on one rank alone."""
    numbered(tmp_path, [f"{deck:02}-{rank}.png" for deck in range(30) for rank in range(5)])
    test = read(tmp_path, classes="{deck}-{rank}")["test"]
    ranks = Counter(name.split("-")[1] for name in test)
    assert len(test) == 30 and len(ranks) == 5 and max(ranks.values()) < 15


def test_the_split_is_always_the_same(tmp_path: Path) -> None:
    """Whatever the order in which the system lists the files, and whatever is in them."""
    names = [f"{animal}/{number}.png" for animal in ("cat", "dog", "owl") for number in range(4)]
    numbered(tmp_path / "a", names)
    numbered(tmp_path / "b", names[::-1])
    assert read(tmp_path / "a") == read(tmp_path / "b")
    assert sorted(read(tmp_path / "a")["test"]) == ["dog/0.png", "owl/3.png"]


def test_folders_of_their_own_fix_the_split(tmp_path: Path) -> None:
    numbered(tmp_path, ["train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/9.png", "test/owl/1.png"])
    found = read(tmp_path)
    assert found["train"] == {"train/cat/1.png": "cat", "train/cat/2.png": "cat", "train/dog/1.png": "dog"}
    assert found["test"] == {"test/cat/9.png": "cat", "test/owl/1.png": "owl"}
    assert "datasets.photos.test:" in refusal(tmp_path, test=0.5)
    picture(tmp_path / "val" / "cat" / "1.png")
    assert "val/cat/1.png: is neither in train/ nor in test/" in refusal(tmp_path)


def test_folders_of_their_own_work_with_patterns_and_without_classes(tmp_path: Path) -> None:
    numbered(tmp_path, ["train/a_1.png", "train/b_1.png", "test/a_2.png"])
    assert read(tmp_path, classes="{letter}_{}")["test"] == {"test/a_2.png": "a"}
    assert read(tmp_path)["train"] == {"train/a_1.png": None, "train/b_1.png": None}


def test_an_empty_half_is_named(tmp_path: Path) -> None:
    numbered(tmp_path, ["train/1.png", "train/2.png"])
    (tmp_path / "test").mkdir()
    assert f"{tmp_path}: no pictures in test/" in refusal(tmp_path)


# --- pictures


def shade(path: Path, channels: int = 3) -> list[int]:
    """The colour of a picture that has one."""
    image = decode(path, 8, channels)
    assert image.shape == (channels, 8, 8) and image.dtype == np.uint8
    assert (image == image[:, :1, :1]).all()
    return image[:, 0, 0].tolist()


def test_every_kind_of_picture_becomes_rgb(tmp_path: Path) -> None:
    assert shade(picture(tmp_path / "rgb.png")) == [200, 100, 0]
    assert shade(picture(tmp_path / "grey.png", 90, "L")) == [90, 90, 90]
    assert shade(picture(tmp_path / "palette.gif", 1, "P", palette=bytes([1, 2, 3, 200, 100, 0]))) == [200, 100, 0]
    assert shade(picture(tmp_path / "bits.png", 1, "1")) == [255, 255, 255]
    assert shade(picture(tmp_path / "print.tif", (0, 255, 255, 0), "CMYK")) == [255, 0, 0]
    assert shade(picture(tmp_path / "lossless.webp", lossless=True)) == [200, 100, 0]
    assert shade(picture(tmp_path / "bitmap.bmp")) == [200, 100, 0]


def test_a_grey_data_set_has_one_channel(tmp_path: Path) -> None:
    assert shade(picture(tmp_path / "grey.png", 90, "L"), channels=1) == [90]
    assert shade(picture(tmp_path / "rgb.png", (90, 90, 90)), channels=1) == [90]
    numbered(tmp_path / "photos", ["1.png", "2.png"])
    dataset = photos(tmp_path / "photos", channels=1)
    assert dataset.channels == 1
    assert dataset.read(lambda line: None)["train"].images.shape == (1, 1, 8, 8)
    assert dataset.key() != photos(tmp_path / "photos").key()


def test_sixteen_bits_keep_their_greys(tmp_path: Path) -> None:
    values = np.full((12, 16), 90 * 257, np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray(values).save(tmp_path / "deep.tif")
    assert shade(tmp_path / "deep.png") == shade(tmp_path / "deep.tif") == [90, 90, 90]


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    assert shade(picture(tmp_path / "clear.png", (9, 9, 9, 0), "RGBA")) == [255, 255, 255]
    assert shade(picture(tmp_path / "half.png", (0, 0, 0, 128), "RGBA"))[0] in (127, 128)
    assert shade(picture(tmp_path / "grey.png", (0, 0), "LA")) == [255, 255, 255]
    assert shade(picture(tmp_path / "index.png", 0, "P", transparency=0)) == [255, 255, 255]


def test_pixels_without_an_agreed_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((12, 16), 0.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match="no agreed white; save it with 8 or 16 bits"):
        decode(tmp_path / "float.tif", 8, 3)


@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_are_turned_as_the_camera_says(tmp_path: Path, turn: int) -> None:
    """EXIF's eight orientations, of an image whose upper half is white when it hangs right."""
    upright = np.zeros((8, 8), np.uint8)
    upright[:4] = 255
    # How the sensor was held: what turns it back, undone.
    held = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.ascontiguousarray(held)).save(tmp_path / "held.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "held.png", 8, 1)[0], upright)


# --- the content is in the key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return numbered(tmp_path / "photos", [f"{a}/{number}.png" for a in ("cat", "dog") for number in range(3)])


CHANGES: dict[str, Callable[[Path], Any]] = {
    "another picture": lambda folder: picture(folder / "cat" / "0.png", (9, 9, 9)),
    "a new picture": lambda folder: picture(folder / "cat" / "9.png"),
    "a picture less": lambda folder: (folder / "cat" / "0.png").unlink(),
    "another name": lambda folder: (folder / "cat" / "0.png").rename(folder / "cat" / "7.png"),
    "another class": lambda folder: (folder / "cat" / "0.png").rename(folder / "dog" / "0b.png"),
    "another folder name": lambda folder: (folder / "cat").rename(folder / "lion"),
    "two pictures swapped": lambda folder: swap(folder / "cat" / "0.png", folder / "dog" / "0.png"),
}


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("settled", [False, True])
def test_whatever_changes_in_the_folder_changes_the_key(
    folder: Path, change: str, settled: bool, monkeypatch
) -> None:
    """Whether the digests were remembered, because the files are old, or not."""
    monkeypatch.setattr(fingerprint, "SETTLED", 0 if settled else 10**12)
    before = photos(folder).key()
    CHANGES[change](folder)
    assert photos(folder).key() != before


def test_a_change_that_keeps_size_and_date_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "SETTLED", 0)
    path = folder / "cat" / "0.png"
    before, about, content = photos(folder).key(), path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert photos(folder).key() != before


def test_dates_places_and_other_files_do_not_change_it(folder: Path, tmp_path: Path) -> None:
    before = photos(folder).key()
    os.utime(folder / "cat" / "0.png", (1, 1))
    (folder / "notes.txt").write_text("no picture")
    assert photos(folder).key() == before
    shutil.move(folder, tmp_path / "moved")
    assert photos(tmp_path / "moved").key() == before
    assert photos(folder).key() != before, "and here is none any more"


def test_pictures_that_are_gone_are_known_by_what_was_prepared(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another machine, which has the results and not the pictures."""
    monkeypatch.chdir(tmp_path)
    before = photos(folder)
    datasets.prepare(before, Path("results/data/photos") / before.key())
    shutil.move(folder, tmp_path / "away")
    gone = photos(folder)
    assert (gone.key(), gone.classes(), gone.fields()) == (before.key(), before.classes(), before.fields())
    assert gone.state() is None
    assert photos(folder, size=16).key() != photos(tmp_path / "away", size=16).key(), "never prepared in this size"
    picture(tmp_path / "away" / "cat" / "9.png")
    other = photos(tmp_path / "away")
    datasets.prepare(other, Path("results/data/photos") / other.key())
    assert photos(folder).fingerprint() == "absent", "one of two, and nobody knows which"


def test_a_reverted_change_is_the_old_key(folder: Path) -> None:
    before, content = photos(folder).key(), (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "0.png").unlink()
    assert photos(folder).key() != before
    (folder / "cat" / "0.png").write_bytes(content)
    assert photos(folder).key() == before


def test_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "SETTLED", 0)
    read_files: list[str] = []
    digest = fingerprint._digest
    monkeypatch.setattr(fingerprint, "_digest", lambda path: read_files.append(path.name) or digest(path))
    before = photos(folder).fingerprint()
    assert len(read_files) == 6
    assert photos(folder).fingerprint() == before and len(read_files) == 6
    picture(folder / "cat" / "0.png", (9, 9, 9))
    assert photos(folder).fingerprint() != before and read_files[6:] == ["0.png"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"cat/0.png": 3}', '{"cat/0.png": [1]}'])
def test_a_damaged_memory_is_no_memory(folder: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "SETTLED", 0)
    before = photos(folder).fingerprint()
    (memory,) = fingerprint.CACHE.glob("*.json")
    whole = memory.read_text()
    memory.write_text(content)
    assert photos(folder).fingerprint() == before
    assert memory.read_text() == whole


def test_where_nothing_can_be_remembered_it_still_works(folder: Path, monkeypatch, tmp_path: Path) -> None:
    before = photos(folder).fingerprint()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(fingerprint, "CACHE", tmp_path / "file" / "cache")
    assert photos(folder).fingerprint() == before


def test_a_picture_that_cannot_be_opened_is_for_preparing_to_report(folder: Path) -> None:
    (folder / "cat" / "0.png").unlink()
    (folder / "cat" / "0.png").symlink_to("nowhere.png")
    assert photos(folder).fingerprint() == photos(folder).fingerprint()
    assert "0.png" in refusal(folder)


def test_the_manifest_says_what_the_arrays_were_made_from(folder: Path, tmp_path: Path) -> None:
    dataset = photos(folder)
    datasets.prepare(dataset, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert content["reader"] == "folder" and content["fingerprint"] == dataset.fingerprint()
    assert content["classes"] == ["cat", "dog"] and content["fields"] == {"class": ["cat", "dog"]}
    assert "path" not in content["settings"] and content["settings"]["size"] == 8


@pytest.mark.parametrize("name", ["a.JPG", "b.jpe", "c.Jfif", "d.TIFF", "e.ppm", "f.tga", "g.PNG"])
def test_pictures_with_unusual_endings_are_read(name: str, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "plain.png")
    kind = {".jpe": "JPEG", ".Jfif": "JPEG"}.get(Path(name).suffix)
    picture(tmp_path / "photos" / name, **({"format": kind} if kind else {}))
    assert set().union(*read(tmp_path / "photos").values()) == {"plain.png", name}


def test_what_is_left_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture without an ending may be among it."""
    numbered(tmp_path, ["a.png", "b.png"])
    (tmp_path / "raw").mkdir()
    for name in ("IMG_0001", "notes.txt", "raw/c.cr2", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    dataset = photos(tmp_path)
    words = "left out, for no ending of a picture: IMG_0001, notes.txt, raw/c.cr2"
    assert dataset.state() == f"2 pictures in {tmp_path}; {words}"
    said: list[str] = []
    monkeypatch.setattr("pcl.datasets.pictures.say", said.append)
    dataset.read(lambda line: None)
    assert said == [f"photos: {words}"]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "1", "I;16"])
def test_a_picture_of_every_kind_is_as_bright_as_it_was(mode: str, tmp_path: Path) -> None:
    grey = Image.linear_gradient("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.quantize(256) if mode == "P" else grey.convert(mode)
    path = tmp_path / ("x.tif" if mode in ("CMYK", "YCbCr") else "x.png")
    image.save(path)
    found = decode(path, 64, 1)[0].astype(float)
    np.testing.assert_allclose(found.mean(1)[4:-4], np.arange(64)[4:-4] * 4 + 1.5, atol=8)
