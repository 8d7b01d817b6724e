"""Files that are whole or absent."""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pcl import seals
from pcl.errors import UserError

Content = bytes | str | Callable[[BinaryIO], Any]


def key(spec: Any) -> str:
    """The eight hexadecimal digits that name a spec in a path: a hash over its canonical JSON."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:8]


def write(path: Path, content: Content) -> None:
    """Write a file through a temporary one, fsync and rename: readers see the old content or the new.

    A link is followed, and a device or pipe written to; neither is replaced.

    Raises:
        UserError: the file cannot be written or the disk is full; the old file is untouched.
    """
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is None or stat.S_ISREG(mode):
            _replace(Path(os.path.realpath(path)) if path.is_symlink() else path, mode, content)
        else:
            with path.open("wb") as file:
                _fill(file, content)
    except OSError as error:
        raise unwritable(path, error) from error


def sweep(folder: Path, name: str = "*") -> None:
    """Remove what processes that were killed amid a write have left, `.NAME.PID`, of one file or of all."""
    import psutil

    for left in folder.glob(f".{name}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with suppress(OSError):
                left.unlink()


def remove(path: Path) -> None:
    """Delete a file, if there is one; raises UserError where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def append(path: Path, content: str) -> None:
    """Add text to the end of a file, and return when it is on disk.

    Raises:
        UserError: the file cannot be written, or the disk is full; the file is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                _whole(file, content.encode())
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # what a full disk has taken of the text would spoil the next line
                    file.truncate(before)
                raise
    except OSError as error:
        raise unwritable(path, error) from error


def whole_lines(path: Path) -> bytes:
    """The content of a file that grows by lines; a last line that a kill has cut short is removed from it.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
    except OSError as error:
        raise UserError(f"{path}: the answer log cannot be read ({error.strerror})") from error
    return whole


def _whole(file: io.FileIO, content: bytes) -> None:
    while content:
        content = content[file.write(content) :]


def as_json(content: Any) -> str:
    """JSON with sorted keys, so that equal content gives equal bytes."""
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys."""
    write(path, as_json(content))


def read_json(path: Path, target: Path | None = None) -> Any:
    """The content of a JSON file; `target` is the file whose step writes it, if not it itself.

    Raises:
        UserError: it is missing or not JSON.
    """
    with seals.refusing(path, seals.remake(target or path)):
        return json.loads(path.read_bytes())


def as_npz(**arrays: np.ndarray) -> bytes:
    """A compressed .npz of named arrays; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_npz(content: bytes) -> seals.Arrays:
    """The arrays of an .npz; of a damaged one, whatever NumPy raises."""
    with np.load(io.BytesIO(content), allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed .npz of named arrays with a seal; its name is to hold a key."""
    write(path, as_npz(**seals.sealed_arrays(arrays, path.name)))


def read_arrays(path: Path) -> seals.Arrays:
    """The arrays that `write_arrays` wrote.

    Raises:
        UserError: the file is missing, damaged or of another name.
    """
    with seals.refusing(path, seals.remake(path, "it")):
        return seals.opened_arrays(from_npz(path.read_bytes()), path.name)


def _replace(path: Path, mode: int | None, content: Content) -> None:
    """Put a file in the place of another, if there is one, with the rights of that."""
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, glob.escape(path.name))
    try:
        with temporary.open("wb") as file:
            _fill(file, content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _fill(file: BinaryIO, content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def unwritable(path: Path, error: OSError) -> UserError:
    """The message on a file that the system does not let us write."""
    return UserError(
        f"{path}: cannot be written ({error.strerror}); nothing was lost, free the disk or change the rights and "
        "start again"
    )
