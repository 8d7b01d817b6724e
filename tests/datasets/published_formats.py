"""Small files in the formats in which the data sets are published, written without the package's help."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

Dump = Callable[[Any], bytes]
Split = tuple[np.ndarray, np.ndarray]

CIFAR10_BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2's `str`."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_text


def python2_pickle(value: Any) -> bytes:
    """What Python 2 with NumPy 1 wrote: the format of the official CIFAR files."""
    out = io.BytesIO()
    _Python2Pickler(out, protocol=2).dump(value)
    return out.getvalue().replace(b"numpy._core.", b"numpy.core.")


def random_images(n: int, channels: int, size: int, seed: int) -> np.ndarray:
    """Uniform noise, uint8 [n, channels, size, size]."""
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8)


def write_cifar10(raw: Path, train: int = 5, test: int = 1, dump: Dump = python2_pickle) -> dict[str, Split]:
    """Batches of ten classes; `train` (a multiple of 5) and `test` images of each."""
    folder = raw / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    batches = {}
    for index, name in enumerate(CIFAR10_BATCHES):
        n = 10 * (test if name == "test_batch" else train // 5)
        images, labels = random_images(n, 3, 32, index), np.arange(n) % 10
        batches[name] = images, labels
        batch = {
            "batch_label": name,
            "labels": labels.tolist(),
            "data": images.reshape(n, 3072),
            "filenames": [f"image_{i}.png" for i in range(n)],
        }
        (folder / name).write_bytes(dump(batch))
    parts = [batches[name] for name in CIFAR10_BATCHES[:5]]
    return {
        "train": (np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])),
        "test": batches["test_batch"],
    }


def write_cifar100(raw: Path, train: int = 2, test: int = 1) -> dict[str, Split]:
    """Both files, with labels in descending order."""
    folder = raw / "cifar100" / "cifar-100-python"
    folder.mkdir(parents=True)
    splits = {}
    for seed, (name, each) in enumerate({"train": train, "test": test}.items()):
        labels = np.repeat(np.arange(100)[::-1], each)
        images = random_images(len(labels), 3, 32, seed)
        batch = {
            "fine_labels": labels.tolist(),
            "coarse_labels": [0] * len(labels),
            "data": images.reshape(-1, 3072),
        }
        (folder / name).write_bytes(python2_pickle(batch))
        splits[name] = images, labels
    return splits


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in IDX."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_fashion(folder: Path, train: int = 3, test: int = 1, zipped: bool = True) -> dict[str, Split]:
    """The four IDX files."""
    folder.mkdir(parents=True)
    splits = {}
    for seed, (split, prefix, each) in enumerate((("train", "train", train), ("test", "t10k", test))):
        labels = np.arange(10 * each) % 10
        images = random_images(len(labels), 1, 28, seed)
        for kind, content in {"images-idx3": idx(images[:, 0]), "labels-idx1": idx(labels)}.items():
            path = folder / f"{prefix}-{kind}-ubyte{'.gz' * zipped}"
            path.write_bytes(gzip.compress(content) if zipped else content)
        splits[split] = images, labels
    return splits


def write_image_folders(folder: Path, synsets: list[str], each: int = 5) -> None:
    """JPEGs of changing shapes; the red channel of an image tells its class, the green one its number."""
    for label, synset in enumerate(synsets):
        (folder / synset).mkdir(parents=True)
        for number in range(each):
            image = Image.new("RGB", (40 + 3 * number, 30 + 2 * label), (10 * label, 20 * number, 128))
            image.save(folder / synset / f"{synset}_{number}.JPEG", quality=95)


def archive(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    """A .tar.gz beside the folder, which is removed; `extra` holds further members."""
    path = folder.with_name(
        {"cifar-10-batches-py": "cifar-10-python", "cifar-100-python": "cifar-100-python"}[folder.name] + ".tar.gz"
    )
    with tarfile.open(path, "w:gz") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, f"{folder.name}/{file.name}")
            file.unlink()
        for name, content in (extra or {}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    folder.rmdir()
    return path
