"""Digests: how a reader knows that a file is whole, and the one that was written in this place.

A seal covers the name of its place too, which holds a key: a whole file of another run is refused like a damaged one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl.errors import UserError

SEAL = "sha256"
Arrays = dict[str, NDArray[Any]]


class Broken(ValueError):
    """A file is not what was written."""


def digest(content: bytes) -> str:
    """The sha256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """The sha256 of a file, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """JSON with a digest of itself and of its place."""
    return {**content, SEAL: _of_json(content, place)}


def opened(content: Any, place: str) -> dict[str, Any]:
    """JSON less its seal; what bears none, of an earlier version, is taken as it is.

    Raises:
        Broken: it is another place's, or was changed.
    """
    if not isinstance(content, dict):
        raise Broken("not a mapping")
    bare = {name: value for name, value in content.items() if name != SEAL}
    if SEAL in content and content[SEAL] != _of_json(bare, place):
        raise Broken("another digest")
    return bare


def sealed_arrays(arrays: Arrays, place: str) -> Arrays:
    """Arrays with one more, a digest of the others and of their place."""
    return arrays | {SEAL: np.array(_of_arrays(arrays, place))}


def opened_arrays(arrays: Arrays, place: str) -> Arrays:
    """Arrays less their seal; see `opened`."""
    bare = {name: array for name, array in arrays.items() if name != SEAL}
    if SEAL in arrays and arrays[SEAL].item() != _of_arrays(bare, place):
        raise Broken("another digest")
    return bare


@contextmanager
def refusing(path: Path, remedy: str) -> Iterator[None]:
    """Make whatever goes wrong while a file is read one line that names it and says what to do.

    Raises:
        UserError: something went wrong. Of damaged files libraries raise more than they document: zlib.error,
            MemoryError, tokenize.TokenError.
    """
    try:
        yield
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); change its rights") from error
    except Exception as error:
        problem = "damaged, or not the file that was written here"
        if isinstance(error, OSError) and error.errno is not None:
            problem = f"cannot be read ({error.strerror})"
        raise UserError(f"{path}: {problem}; {remedy}") from error


def remake(target: Path, what: str = "its folder") -> str:
    """What to do about a damaged file, given what makes its step run: a file that Snakemake knows."""
    return f"delete {what} and run: snakemake --cores 2 {target}"


def _of_json(content: Mapping[str, Any], place: str) -> str:
    return digest(json.dumps([place, content], sort_keys=True, separators=(",", ":")).encode())


def _of_arrays(arrays: Arrays, place: str) -> str:
    found = hashlib.sha256(place.encode())
    for name, array in sorted(arrays.items()):
        found.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()
