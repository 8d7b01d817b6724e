"""One process at a time in a run's folder: whoever comes second waits, and finds the run complete."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pcl import artifacts, progress
from pcl.errors import UserError
from pcl.folder import Folder

UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
TRIES = 100


@contextmanager
def alone(folder: Folder) -> Iterator[None]:
    """Keep other processes out of a folder that is not complete.

    Two that trained at once would each find the other's answers in its journal. The lock is the system's, which lifts
    it however a process ends; where the file system has none, nothing is locked.
    """
    if folder.complete:
        yield
        return
    path = folder.checkpoint.with_name("lock")
    new = [parent for parent in path.parents if not parent.exists()]
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty: what there is to go on from
                for parent in dict.fromkeys([path.parent, *new]):
                    parent.rmdir()


def _locked(path: Path) -> IO[str]:
    """The file, open and locked; a file that whoever held it has removed meanwhile keeps nobody out.

    Raises:
        UserError: it cannot be written.
    """
    for left in reversed(range(TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
            _lock(file, path)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()
        except OSError as error:
            if not left or not isinstance(error, FileNotFoundError):
                raise artifacts.unwritable(path, error) from error
    raise UserError(f"{path}: many processes come and go here; start again when they have ended")


def _lock(file: IO[str], path: Path) -> None:
    """Wait for the lock, and say so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.say(f"{path.parents[1]}: another process is at work in it; waiting until it ends")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
