"""What is carried out of a session: a table of groups, folders, a page to show, the answers, and the model."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from pcl import artifacts
from pcl.errors import UserError
from pcl.label import features, model
from pcl.label.library import Library
from pcl.label.overview import Group
from pcl.label.session import Session

HERE = Path(__file__).parent
SIDE = 120  # pixels of a picture in the gallery
SHOWN = 400  # pictures of a group in the gallery: the page must still open


def export(session: Session, library: Library, out: Path, *, copy: bool) -> None:
    """Write the groups of a session into a folder, whole or not at all.

    Args:
        session: that has learned from its last answer.
        library: its pictures.
        out: a folder that is not there yet, or empty.
        copy: the pictures themselves instead of links to them.

    Raises:
        UserError: there is no group, something is in the folder, or it cannot be written.
    """
    groups = session.shown()
    if not groups or session.learning.found is None:
        raise UserError(f"{session.place}: no groups yet; answer a few questions first (`pcl label`)")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is there already; name another folder, or empty this one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            half = Path(folder) / "out"
            half.mkdir()
            _fill(half, session, library, groups, copy=copy)
            half.chmod(0o755)
            if out.exists():
                out.rmdir()
            half.rename(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error


def _fill(out: Path, session: Session, library: Library, groups: list[Group], *, copy: bool) -> None:
    names = titles(groups)
    artifacts.write(out / "assignments.csv", table(session, library, groups))
    artifacts.write(out / "answers.jsonl", "".join(_answers(session, library)))
    artifacts.write(out / "gallery.html", _gallery(session, library, groups, names))
    artifacts.write(out / "model.npz", model.kept(session, names))
    taken: set[Path] = set()
    for group in groups:
        own = out / "groups" / _safe(names[group.id])
        own.mkdir(parents=True)
        images = [*group.answered, *(image for image, _ in group.inferred)]
        for image, path in [(each, path) for each in images for path in library.paths(each)]:
            file = library.folder / path
            if not file.exists():
                continue
            to = own / file.name
            while to in taken:
                to = own / f"{image}-{to.name}"
            taken.add(to)
            if copy:
                shutil.copy2(file, to)
            else:
                to.symlink_to(file.resolve())


def titles(groups: list[Group]) -> dict[int, str]:
    """What each group is called, no two alike."""
    found: dict[int, str] = {}
    for number, group in enumerate(sorted(groups, key=lambda group: group.id), start=1):
        name = group.name or f"group {number}"
        found[group.id] = name if name not in found.values() else f"{name} ({number})"
    return found


def table(session: Session, library: Library, groups: list[Group]) -> str:
    """A line per file, exact copies too: file, group, confidence, and whether answers say so or it was inferred."""
    names = titles(groups)
    rows = [(image, names[group.id], 1.0, "answered") for group in groups for image in group.answered]
    rows += [(i, names[group.id], round(sure, 4), "inferred") for group in groups for i, sure in group.inferred]
    files = sorted((path, *rest) for image, *rest in rows for path in library.paths(image))
    return model.lines(["file", "group", "confidence", "from"], files)


def _answers(session: Session, library: Library) -> Iterator[str]:
    for (i, j), same in session.said.items():
        line = {"first": library.pictures[i].path, "second": library.pictures[j].path, "same": same}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def replay(session: Session, library: Library, path: Path) -> int:
    """Hear the answers of an exported log that are about pictures which are here; how many those are.

    Raises:
        Contradiction: an answer contradicts earlier ones; those before it are kept.
        UserError: the log cannot be read, or a line is none of its kind.
    """
    number_of = {picture.path: number for number, picture in enumerate(library.pictures)}
    number_of |= {path: number for number in range(len(library.pictures)) for path in library.paths(number)}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give the answers.jsonl of `pcl export`") from error
    heard = 0
    for at, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
            pair, same = (said["first"], said["second"]), said["same"]
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}:{at}: no answer with first, second and same; restore this line") from error
        if same not in (True, False, None):
            raise UserError(f"{path}:{at}: same is {same!r}; use true, false or null")
        if all(name in number_of for name in pair):
            session.hear(number_of[pair[0]], number_of[pair[1]], same)
            heard += 1
    return heard


def _gallery(session: Session, library: Library, groups: list[Group], names: dict[int, str]) -> str:
    shown = []
    for group in sorted(groups, key=lambda group: -len(group.answered) - len(group.inferred)):
        images = [(image, None) for image in group.answered] + [(image, sure) for image, sure in group.inferred[::-1]]
        pictures = [
            {"file": library.pictures[image].path, "sure": sure, "data": _small(library, image)}
            for image, sure in images[:SHOWN]
        ]
        shown.append({"name": names[group.id], "pictures": pictures, "more": max(len(images) - SHOWN, 0)})
    page = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True).get_template("gallery.html")
    said = {"criterion": session.about.criterion, "folder": library.folder.name, "groups": shown}
    return page.render(**said, features=features.described(session.about.features))


def _small(library: Library, image: int) -> str:
    own = Image.fromarray(library.array(image))
    own.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    own.save(buffer, "WEBP", quality=70)
    return base64.b64encode(buffer.getvalue()).decode()


def _safe(name: str) -> str:
    """A name that is a folder's on every system."""
    return re.sub(r"[^\w ()+,=@-]+", "_", name).strip(" .")[:60] or "group"
