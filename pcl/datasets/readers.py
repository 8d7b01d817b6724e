"""Readers of the formats in which image data sets are published. None of them runs code found in a file."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pcl.datasets.base import Arrays, Split
from pcl.errors import UserError

DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError)


def unpickle(content: bytes, where: str) -> dict[str, Any]:
    """The dictionary in a pickle of plain values and arrays, its keys as text.

    Reads what Python 2 and 3 and NumPy before and after 2.0 wrote. Strings of Python 2 come back as bytes.

    Raises:
        UserError: the pickle is damaged, holds anything else, or is no dictionary; `where` names it.
    """
    try:
        values = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    # A damaged pickle can fail as almost any exception; whichever it is, the file is unusable.
    except Exception as error:
        raise UserError(f"{where}: not a readable pickle of arrays ({error}); replace the file") from error
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected a dictionary, found {type(values).__name__}; replace the file")
    return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in values.items()}


def read_cifar(
    place: Path, folder: str, archive: str, batches: Mapping[str, Sequence[str]], label_key: str
) -> Arrays:
    """Both splits of a CIFAR release, from its folder of pickled batches or straight from its .tar.gz.

    Args:
        place: what holds the folder or the archive.
        folder: the folder's name, in the archive too.
        archive: the archive's name.
        batches: split -> its batches, in order.
        label_key: the entry of a batch that holds the labels.

    Raises:
        UserError: a batch is missing, damaged or not in CIFAR's format.
    """
    wanted = [name for names in batches.values() for name in names]
    source, contents = place / folder, _files_of_folder(place / folder, wanted)
    # A folder that was half unpacked, or is empty, hides nothing: the archive beside it has all.
    if len(contents) < len(wanted) and (place / archive).exists():
        source, contents = place / archive, _files_of_archive(place / archive, folder, wanted)
    absent = [name for name in wanted if name not in contents]
    if absent:
        raise UserError(f"{source}: {', '.join(absent)} missing; get the official {archive} again")
    arrays: Arrays = {}
    for split, names in batches.items():
        parts = [_cifar_batch(contents[name], f"{source}: {name}", label_key) for name in names]
        arrays[split] = Split(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
    return arrays


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes, gzipped where the name ends in .gz.

    Format: two zero bytes, type 0x08, number of dimensions, each size as four big-endian bytes, the bytes.

    Raises:
        UserError: the file is damaged or holds something else.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read ({error}); replace the file") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise UserError(f"{path}: not an IDX file of unsigned bytes; replace the file")
    start = 4 + 4 * content[3]
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    if len(content) != (announced := start + math.prod(shape)):
        raise UserError(f"{path}: {len(content)} bytes, its header announces {announced}; replace the file")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """The bytes that Python 3 wrote, in a pickle of protocol 2, as text to be encoded."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unexpected encoding {encoding!r}")
    return text.encode("latin1")


# The functions with which NumPy rebuilds arrays, asked of an array: where they live depends on the release.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_FROMBUFFER = np.empty(0).__reduce_ex__(5)[0]


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows the names with which arrays are written and refuses every other."""

    allowed: ClassVar = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy.core.numeric", "_frombuffer"): _FROMBUFFER,
        ("numpy._core.numeric", "_frombuffer"): _FROMBUFFER,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data file needs")
        return self.allowed[module, name]


def _files_of_folder(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _files_of_archive(path: Path, folder: str, names: Sequence[str]) -> dict[str, bytes]:
    """The named files of one folder in a .tar.gz, read into memory: nothing is unpacked to disk."""
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as archive:
            for member in archive:
                inside, _, name = member.name.removeprefix("./").rpartition("/")
                if member.isfile() and inside == folder and name in names:
                    stream = archive.extractfile(member)
                    contents[name] = stream.read() if stream else b""
            # gzip compares its checksum only at the very end, behind what tar reads.
            while unzipped.read(1 << 20):
                pass
    except DAMAGED as error:
        raise UserError(
            f"{path}: damaged or cut short ({error}); delete it and get the official {path.name} again"
        ) from error
    return contents


def _cifar_batch(content: bytes, where: str, label_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [n, 3, 32, 32], labels [n] of one batch: a row is 1024 red, 1024 green and 1024 blue bytes."""
    batch = unpickle(content, where)
    images, labels = batch.get("data"), batch.get(label_key)
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (3072,)):
        raise UserError(f"{where}: `data` is not an array of bytes [n, 3072]; replace the file")
    if not (isinstance(labels, list) and len(labels) == len(images) and {type(x) for x in labels} <= {int}):
        raise UserError(f"{where}: `{label_key}` is not a list of {len(images)} integers; replace the file")
    return images.reshape(-1, 3, 32, 32), np.array(labels, np.int64)
