"""The private place of a folder of pictures: what is known about it, for nobody else to read."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pcl.errors import UserError

HOME = "PCL_HOME"


def home() -> Path:
    """Where all places lie: $PCL_HOME, or `pcl` in the user's folder of application data."""
    if chosen := os.environ.get(HOME):
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "pcl"


def place(folder: Path, root: Path | None = None) -> Path:
    """The place of a folder, named after it and its path; made unless it is there, with rights for its owner alone.

    Raises:
        UserError: it cannot be made.
    """
    real = folder.resolve()
    name = re.sub(r"[^\w.-]+", "-", real.name).strip(".-")[:60] or "pictures"
    path = (root or home()) / f"{name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:8]}"
    for here in (path.parent, path):
        private_folder(here)
    return path


def private_folder(path: Path) -> Path:
    """A folder with rights for its owner alone; made with all above it unless it is there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be made a private folder ({error.strerror}); change its rights, or name another folder "
            f"in the environment variable {HOME}"
        ) from error
    return path


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Wait until nobody else changes what is known about the folder, and keep it so.

    Raises:
        UserError: the place cannot be written.
    """
    path = place / ".lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); change the rights of its folder") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
