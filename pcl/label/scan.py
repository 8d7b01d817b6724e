"""The files of a folder as it is, and why some of them are passed over; nothing is opened here."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pcl.datasets.fingerprint import Found
from pcl.errors import UserError

KINDS = {
    stat.S_IFIFO: "a pipe, no file",
    stat.S_IFSOCK: "a socket, no file",
    stat.S_IFCHR: "a device, no file",
    stat.S_IFBLK: "a device, no file",
}


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is passed over.

    Attributes:
        path: below the folder, fit to be shown.
        reason: why.
        original: the path of the picture that it is an exact copy of, if it is one; it goes where that one goes.
    """

    path: str
    reason: str
    original: str = ""


def checked(folder: Path) -> Path:
    """The folder that a user has named, without links.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    folder = folder.expanduser()
    try:
        real = folder.resolve(strict=True)
        if not real.is_dir():
            raise UserError(f"{shown(str(folder))}: a file, no folder; name the folder that holds your pictures")
        with os.scandir(real):
            return real
    except FileNotFoundError as error:
        raise UserError(f"{shown(str(folder))}: no such folder; name the one that holds your pictures") from error
    # resolve() says RuntimeError of links in a circle, and ValueError of a zero byte.
    except (OSError, RuntimeError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{shown(str(folder))}: cannot be read ({problem}); change its rights or its name") from error


def walk(folder: Path, without: Collection[Path] = ()) -> tuple[list[Found], list[LeftOut]]:
    """The regular files below a folder in the order of their paths, links last; and what is passed over.

    Args:
        folder: where to look, as `checked` gives it.
        without: folders that are the program's own.
    """
    own = {os.path.realpath(path) for path in without}
    files: list[Found] = []
    links: list[Found] = []
    left: list[LeftOut] = []
    todo = [""]
    while todo:
        prefix = todo.pop()
        try:
            with os.scandir(folder / prefix) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            left.append(LeftOut(shown(prefix), f"a folder that cannot be read ({error.strerror})"))
            continue
        for entry in inside:
            path = prefix + entry.name
            if reason := _passed_over(entry, folder, own):
                left.append(LeftOut(shown(path), reason))
            elif entry.is_dir():
                todo.append(f"{path}/")
            else:
                about = entry.stat()
                found = Found(path, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
                (links if entry.is_symlink() else files).append(found)
    return [*sorted(files), *sorted(links)], left


def shown(path: str) -> str:
    """A path as one line of text: what cannot be shown is written as Python would write it."""
    return "".join(sign.encode("unicode_escape").decode() if _unfit(sign) else sign for sign in path)


def _passed_over(entry: os.DirEntry[str], folder: Path, own: Collection[str]) -> str | None:
    """Why an entry is no file or folder to look into; None if it is one."""
    if entry.name.startswith("."):
        return "hidden: its name begins with a dot"
    if any(map(_unfit, entry.name)):
        return "a name with line breaks, control characters or bytes that are no text; rename it"
    if entry.is_symlink() and (reason := _astray(entry, folder)):
        return reason
    try:
        kind = stat.S_IFMT(entry.stat().st_mode)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if kind == stat.S_IFDIR and os.path.realpath(entry.path) in own:
        return "the program's own files"
    return KINDS.get(kind)


def _astray(entry: os.DirEntry[str], folder: Path) -> str | None:
    """Why a link is not followed."""
    try:
        real = Path(entry.path).resolve(strict=True)
    except FileNotFoundError:
        return "a link to nothing"
    except (OSError, RuntimeError):
        return "a link in a circle"
    if not real.is_relative_to(folder):
        return "a link out of the folder; copy what it points to into the folder"
    return "a link to a folder that is in here already" if real.is_dir() else None


def _unfit(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")
