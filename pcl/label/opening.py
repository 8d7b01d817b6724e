"""From a folder of pictures, or a session's own folder, to an open session."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pcl.errors import UserError
from pcl.label import about, features, private
from pcl.label.library import Library, Report, silent
from pcl.label.session import Session

SESSIONS = "sessions"


def named(criterion: str) -> str:
    """The name of a session about a criterion."""
    return re.sub(r"[^\w]+", "-", criterion.lower()).strip("-")[:40] or "groups"


def sessions(library: Path) -> list[Path]:
    """The sessions about a folder of pictures, given its private place; that answered last comes first."""
    found = [path.parent for path in (library / SESSIONS).glob("*/session.json")]
    return sorted(found, key=lambda place: -_answered(place))


def _answered(place: Path) -> float:
    last = place / "log.jsonl"
    return (last if last.exists() else place / "session.json").stat().st_mtime


def found(given: Path, name: str | None = None) -> Path:
    """The session that a path means: its own folder, or that of the pictures, whose last session it then is.

    Raises:
        UserError: there is none.
    """
    if (given / "session.json").exists():
        return given
    place = private.place(given) if given.is_dir() else given
    known = sessions(place)
    wanted = [own for own in known if name in (None, own.name)]
    if not wanted:
        others = f"; there are: {', '.join(own.name for own in known)}" if known else ""
        raise UserError(f"{given}: no session{f' {name}' if name else ''}{others}; `pcl label {given}` begins one")
    return wanted[0]


def opened(place: Path, library: Library, report: Report = silent) -> Session:
    """A session that exists, over its pictures.

    Raises:
        UserError: the session, or its features, cannot be had.
    """
    rows = features.of(library, about.read(place).features, report)
    gone = [number for number, picture in enumerate(library.pictures) if picture.gone]
    return Session(place, rows, gone)


def begun(library: Library, name: str | None, said: Mapping[str, object]) -> Path:
    """The folder of the session that is meant, which is begun unless there is one.

    Args:
        library: the pictures.
        name: of the session; without one that of the criterion, or the last that was answered.
        said: what the person says about it; None is nothing.

    Raises:
        UserError: a value is wrong, or the session has other features.
    """
    values = {key: value for key, value in said.items() if value is not None}
    known = sessions(library.place)
    if name is None and "criterion" not in values and known:
        place = known[0]
    else:
        place = library.place / SESSIONS / (name or named(str(values.get("criterion", ""))))
    if not (place / "session.json").exists():
        new = about.checked({"folder": str(library.folder), "features": features.default()} | values)
        features.kind_of(new.features)
        for folder in (place.parent, place):
            private.private_folder(folder)
        about.create(place, new)
        return place
    old = about.read(place)
    if values.get("features", old.features) != old.features:
        raise UserError(
            f"--features {values['features']}: the session {place.name} compares pictures by {old.features}; "
            "--session NAME begins another one"
        )
    about.write(place, about.checked(old.model_dump() | values))
    return place


@contextmanager
def alone(place: Path) -> Iterator[Path]:
    """Keep a session to this process; the file that is given may say where it is served.

    Raises:
        UserError: another process has it.
    """
    path = place / ".served"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"{place.name}: this session is open already; {file.read() or 'stop that first'}"
            ) from error
        file.truncate(0)
        yield path
        file.truncate(0)
