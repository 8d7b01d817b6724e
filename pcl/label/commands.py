"""`pcl label`, `pcl export` and `pcl assign`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from pcl import layout, progress
from pcl.errors import UserError

LISTED = 5  # files that were left out, in the terminal


@click.command()
@click.argument("folder", type=layout.path, required=False)
@click.option("-k", "--clusters", type=int, help="How many groups there are; not known unless given.")
@click.option("--criterion", help='What "same" means, such as "by suit"; the page shows it.')
@click.option("--budget", type=int, help="Answers after which to stop.")
@click.option("--features", help="efficientnet, pixels, or timm:MODEL; the first where it is installed.")
@click.option("--session", "name", help="Its name; that of the criterion, or the last one, unless given.")
@click.option("--demo", is_flag=True, help="On pictures that the project brings.")
@click.option("--tty", is_flag=True, help="Ask here instead of in a browser.")
@click.option("--replay", type=layout.path, help="First hear the answers.jsonl of an export.")
@click.option("--finetune", is_flag=True, help="Train a network of your own on the answers, beside the questions.")
@click.option("--port", type=int, default=0, help="Of the page; any free one unless given.")
@click.option("--quiet", is_flag=True, help="Open no browser; only print the link.")
def label(
    folder: Path | None,
    clusters: int | None,
    criterion: str | None,
    budget: int | None,
    features: str | None,
    name: str | None,
    demo: bool,
    tty: bool,
    replay: Path | None,
    finetune: bool,
    port: int,
    quiet: bool,
) -> None:
    """Sort the pictures of FOLDER your way: a page asks, you answer."""
    _needs_extra()
    from pcl.label import carried, opening, server
    from pcl.label import demo as pictures
    from pcl.label import features as looks
    from pcl.label import tty as here
    from pcl.label.library import Library

    os.umask(0o077)
    if demo == (folder is not None):
        raise UserError("name the folder of your pictures, or --demo, and not both")
    library = Library.open(pictures.write() if folder is None else folder, report=_Shown())
    _say_left_out(library)
    said = {"criterion": criterion, "clusters": clusters, "budget": budget, "features": features}
    place = opening.begun(library, name, said)
    with opening.alone(place) as served:
        session = opening.opened(place, library, _Shown())
        if replay is not None:
            progress.say(f"{carried.replay(session, library, replay)} answers heard again")
        progress.say(looks.described(session.about.features))
        progress.say(f"{len(library.pictures) - len(session.gone):,} pictures; the session is kept in {place}")
        with _beside(place) if finetune else nullcontext():
            if tty:
                here.ask(session, library)
            else:
                server.serve(session, library, port=port, show=_opener(served, quiet))


@click.command()
@click.argument("session", type=layout.path)
@click.argument("out", type=layout.path)
@click.option("--session", "name", help="Which of a folder's sessions; the last one unless given.")
@click.option("--copy", is_flag=True, help="Copy the pictures instead of linking to them.")
def export(session: Path, out: Path, name: str | None, copy: bool) -> None:
    """Write the groups of SESSION, its folder or that of the pictures, to the new folder OUT."""
    _needs_extra()
    from pcl.label import about, carried, opening
    from pcl.label.library import Library

    place = opening.found(session, name)
    library = Library.open(Path(about.read(place).folder), report=_Shown())
    found = opening.opened(place, library, _Shown())
    found.fit()
    carried.export(found, library, out, copy=copy)
    click.echo(out / "gallery.html")


@click.command()
@click.argument("session", type=layout.path)
@click.argument("pictures", type=layout.path, nargs=-1, required=True)
@click.option("--out", type=layout.path, help="The table; standard output unless given.")
def assign(session: Path, pictures: tuple[Path, ...], out: Path | None) -> None:
    """Sort more PICTURES, files or folders, as SESSION or its export says, without questions."""
    _needs_extra()
    import tempfile

    from pcl import artifacts
    from pcl.label import about, carried, model, opening
    from pcl.label.library import Library

    files = model.pictures_in(pictures)
    file = session / "model.npz"
    with tempfile.TemporaryDirectory() as folder:
        if not file.exists():
            place = opening.found(session)
            library = Library.open(Path(about.read(place).folder), report=_Shown())
            found = opening.opened(place, library, _Shown())
            found.fit()
            if found.learning.found is None:
                raise UserError(f"{place}: no groups yet; answer a few questions first (`pcl label`)")
            file = Path(folder) / "model.npz"
            file.write_bytes(model.kept(found, carried.titles(found.shown())))
        table, left = model.assign(file, files)
    for line in left:
        progress.say(f"left out: {line}")
    if out is None:
        click.echo(table, nl=False)
    else:
        artifacts.write(out, table)


def _opener(served: Path, quiet: bool) -> Callable[[str], None]:
    """What is done with the link once the server listens."""

    def show(link: str) -> None:
        served.write_text(link, encoding="utf-8")
        progress.say(f"{link}\nctrl+c stops; every answer is kept")
        if not quiet:  # aside: a browser in this terminal would keep the server from starting
            threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()

    return show


@contextmanager
def _beside(place: Path) -> Iterator[None]:
    """Train a network in a process of its own, as long as the session is open."""
    process = subprocess.Popen([sys.executable, "-m", "pcl.label.tuning", str(place)], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _needs_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn", "jinja2") if find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)}: not installed; pip install -e .[label] brings what `pcl label` needs")


def _say_left_out(library: object) -> None:
    copies = [item for item in library.left_out if item.original]  # type: ignore[attr-defined]
    left = [item for item in library.left_out if not item.original]  # type: ignore[attr-defined]
    if copies:
        one = f"{copies[0].path} of {copies[0].original}"
        progress.say(
            f"exact copies: {len(copies)}, such as {one}; nobody is asked about them, they go with their originals"
        )
    for item in left[:LISTED]:
        progress.say(f"left out: {item.path}: {item.reason}")
    if len(left) > LISTED:
        progress.say(f"left out: {len(left) - LISTED} more")


class _Shown:
    """Shows how far the work is: a line that is written over on a terminal, one a step elsewhere."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, done: int, of: int) -> None:
        """So much is done."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{what}: {done:,} of {of:,}" + ("\n" if done == of else ""))
            sys.stderr.flush()
        elif what != self._last:
            self._last = what
            progress.say(f"{what}: {of:,}")


COMMANDS = (label, export, assign)
