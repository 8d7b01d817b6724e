"""CIFAR-10 as picture files in folders, or in an archive of these."""

import tarfile

import numpy as np
import pytest
from PIL import Image
from published_formats import random_images, write_cifar10

from pcl import datasets
from pcl.errors import UserError


@pytest.fixture
def images(raw):
    """A copy without loss, five pictures a class to train and one to test; what it holds, in its order."""
    classes, held = datasets.find("cifar10").class_names, {}
    for split, each in (("train", 5), ("test", 1)):
        held[split] = random_images(10 * each, 3, 32, each)
        for at, image in enumerate(held[split]):
            path = raw / "cifar10" / split / classes[at // each] / f"{at % each:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return held


def pack(raw):
    """Put the folders into an archive, and take them away."""
    place = raw / "cifar10"
    with tarfile.open(place / "cifar10-jpeg.tar.gz", "w:gz") as archive:
        for split in ("train", "test"):
            archive.add(place / split, split)
            (place / split).rename(raw / f"{split}-gone")


def read(raw):
    return datasets.make("cifar10", {}, raw).read(lambda line: None)


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_come_by_class_and_name_and_everybody_is_told(raw, images, packed):
    if packed:
        pack(raw)
    found, copy = read(raw), datasets.make("cifar10", {}, raw)
    for split, held in images.items():
        np.testing.assert_array_equal(found[split].images, held)
        assert found[split].labels.tolist() == np.repeat(np.arange(10), len(held) // 10).tolist()
    assert copy.fingerprint().startswith("JPEG copy ")
    assert "JPEG copy" in copy.remark and "JPEG copy" in copy.state()
    assert copy.key() != datasets.make("cifar10", {}, raw / "elsewhere").key()


def test_official_files_come_first(raw, images):
    official = write_cifar10(raw)
    np.testing.assert_array_equal(read(raw)["train"].images, official["train"][0])
    assert datasets.make("cifar10", {}, raw).remark == ""


def test_a_copy_that_lacks_pictures_is_refused_by_folder(raw, images):
    (raw / "cifar10" / "train" / "cat" / "0000.png").unlink()
    with pytest.raises(UserError, match="train/cat: 4 pictures instead of 5"):
        read(raw)


def test_a_broken_picture_is_named(raw, images):
    (raw / "cifar10" / "test" / "dog" / "0000.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"test/dog/0000\.png"):
        read(raw)


def test_an_archive_that_is_cut_short_is_named(raw, images):
    pack(raw)
    archive = raw / "cifar10" / "cifar10-jpeg.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cifar10-jpeg\.tar\.gz: damaged or cut short"):
        read(raw)
