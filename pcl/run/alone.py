"""One process at a time in a run's folder: whoever comes second waits, and finds the run complete."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pcl import progress
from pcl.folder import Folder

UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


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
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty: what a later process goes on from
                path.parent.rmdir()
                folder.path.rmdir()


def _locked(path: Path) -> IO[str]:
    """The file, open and locked; a file that whoever held it has removed meanwhile keeps nobody out."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
        try:
            _lock(file, path)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.say(f"{path.parents[1]}: another process is at work in it; waiting until it ends")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
