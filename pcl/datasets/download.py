"""Downloads of published data: on request only, resumable, and checked before use."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pcl.datasets import base
from pcl.datasets.base import OfficialFile, Progress
from pcl.errors import UserError
from pcl.seals import of_file

CHUNK = 1 << 18
TIMEOUT = 60  # seconds without a byte


def download(dataset: base.Dataset, source: str | None = None, progress: Progress = lambda line: None) -> list[Path]:
    """The official files of a data set, now in its own folder below the raw one, each with the sha256 it must have.

    Args:
        dataset: the data set.
        source: where to take them instead of the official address: a folder or a base URL (http, https, file)
            that holds files of the official names, or the one file itself.
        progress: told how far each file is.

    Raises:
        UserError: the data set cannot be downloaded, or a file could not be had whole and right. What has
            arrived stays in `<file>.part`, and the next call goes on from there.
    """
    if not dataset.files:
        raise UserError(f"{dataset.name}: there is nothing that this command could download.\n\n{dataset.guide()}")
    folder = dataset.raw / dataset.reader()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror})") from error
    only = len(dataset.files) == 1
    return [fetch(file, _origin(file, source, only), folder / file.name, progress) for file in dataset.files]


def fetch(file: OfficialFile, url: str, path: Path, progress: Progress) -> Path:
    """The path of the file, present and right; it is received only where it is not there yet.

    Raises:
        UserError: see `download`.
    """
    if path.exists():
        if of_file(path) != file.sha256:
            raise UserError(f"{path}: not the official file (its sha256 is another); delete it and try again")
        progress(f"{path}: already there")
        return path
    part = path.with_name(f"{path.name}.part")
    _receive(url, part, progress)
    found = of_file(part)
    if found != file.sha256:
        part.unlink()
        raise UserError(f"{url}: not the official {file.name} (sha256 {found}, expected {file.sha256}); not kept")
    part.replace(path)
    return path


def _origin(file: OfficialFile, source: str | None, only: bool) -> str:
    """The URL from which to take one file."""
    if source is None:
        return file.url
    if "://" in source:
        if urlsplit(source).scheme not in ("http", "https", "file"):
            raise UserError(f"{source}: give an http, https or file address, or a path")
        return source if source.endswith(f"/{file.name}") else f"{source.rstrip('/')}/{file.name}"
    local = Path(source).expanduser().resolve()
    return (local if only and not local.is_dir() else local / file.name).as_uri()


def _receive(url: str, part: Path, progress: Progress) -> None:
    """Write the rest of what the address holds to `part`, after what is there already."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            resumed = getattr(answer, "status", None) == 206
            have = have if resumed else 0
            total = have + int(answer.headers.get("Content-Length") or 0)
            with part.open("ab" if resumed else "wb") as out:
                shown = -1
                while chunk := answer.read(CHUNK):
                    have += out.write(chunk)
                    if total and (percent := 100 * have // total) != shown:
                        shown = percent
                        progress(f"{part.stem}: {percent} % of {total / 2**20:.0f} MiB")
    except HTTPError as error:
        # 416: nothing follows what is there already; the sha256 tells whether that is the whole file.
        if error.code != 416:
            raise UserError(f"{url}: {error}") from error
        return
    except (OSError, HTTPException) as error:
        raise UserError(f"{url}: {getattr(error, 'reason', error)}; run the command again to go on") from error
    if have < total:
        raise UserError(f"{url}: broke off after {have} of {total} bytes; run the command again to go on")
