"""What a folder of pictures holds, as one digest that changes with any name or byte and with nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pcl import artifacts, progress
from pcl.errors import UserError
from pcl.layout import RESULTS

CACHE = RESULTS / "cache"
ABSENT = "absent"
# A file may change twice within one tick of the clock; what changed so lately is read again next time.
SETTLED = 2 * 10**9  # nanoseconds
WORTH_SAYING = 2000  # files


class Found(NamedTuple):
    """A file below a folder, and what tells that it is still the same one."""

    path: str
    size: int
    modified: int
    changed: int


def find(folder: Path, within: Collection[str] = ()) -> list[Found]:
    """The files below a folder, in the order of their paths; hidden ones are passed over.

    Args:
        folder: where to look, folders in it and links to folders included.
        within: the only sub-folders in which to look; all unless given.

    Raises:
        UserError: a folder cannot be read.
    """
    found: list[Found] = []
    todo = [(folder / name, f"{name}/") for name in within if (folder / name).is_dir()] if within else [(folder, "")]
    seen: set[str] = set()
    while todo:
        here, prefix = todo.pop()
        # Links to folders are followed, and one back to where we came from must end.
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        try:
            for entry in os.scandir(here):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    todo.append((Path(entry.path), f"{prefix}{entry.name}/"))
                else:
                    about = entry.stat(follow_symlinks=entry.is_file())
                    path = f"{prefix}{entry.name}"
                    found.append(Found(path, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
        except OSError as error:
            raise UserError(f"{here}: cannot be read ({error.strerror}); fix the folder's rights") from error
    return sorted(found)


def fingerprint(name: str, folder: Path, files: Sequence[Found]) -> str:
    """A hex digest over the paths and contents of some files of a folder.

    A file is read once. Its digest is remembered, with its size and dates, below results/; where that cannot be
    written, every file is read every time.
    """
    cache = CACHE / f"{name}-{artifacts.key(str(folder.resolve()))}.json"
    known, now = _remembered(cache), time.time_ns()
    digests: dict[str, str] = {}
    settled: dict[str, list[int | str]] = {}
    new = sum(known.get(file.path, [])[:3] != list(file[1:]) for file in files)
    if new > WORTH_SAYING:
        progress.say(f"{name}: reading {new:,} pictures in {folder}, to know them again")
    for file in files:
        entry = known.get(file.path)
        digest = str(entry[3]) if entry and entry[:3] == list(file[1:]) else _digest(folder / file.path)
        digests[file.path] = digest
        if now - file.changed > SETTLED and digest:
            settled[file.path] = [*file[1:], digest]
    if settled != known:
        with suppress(UserError):
            artifacts.write(cache, json.dumps(settled))
    # In the order of paths.
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _digest(path: Path) -> str:
    """The sha256 of a file; empty where it cannot be read, which preparing will report."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _remembered(cache: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, list) and len(entry) == len(Found._fields)}
