"""Downloads from a server of this machine that honours ranges and can break off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pcl import datasets
from pcl.datasets import download as downloads
from pcl.datasets.base import OfficialFile
from pcl.errors import UserError

CONTENT = bytes(range(256)) * 4000
FILE = "cifar-10-python.tar.gz"


def download(name: str, raw: Path, source: str | None = None, **more: Any) -> list[Path]:
    return downloads.download(datasets.make(name, {}, raw), source, **more)


class Server(ThreadingHTTPServer):
    """Serves CONTENT under FILE's name; notes the ranges asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.break_after: int | None = None
        self.honours_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        if self.path != f"/{FILE}":
            self.send_error(404)
            return
        start = 0
        if self.headers["Range"] and self.server.honours_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.break_after])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        file = OfficialFile(f"{running.url}/{FILE}", hashlib.sha256(CONTENT).hexdigest())
        monkeypatch.setattr(datasets.find("cifar10"), "files", (file,))
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def part(raw: Path) -> Path:
    (raw / "cifar10").mkdir(parents=True)
    return raw / "cifar10" / f"{FILE}.part"


def test_a_download_that_broke_off_is_resumed(server: Server, raw: Path, part: Path) -> None:
    server.break_after = 300_000
    for have in (300_000, 600_000):
        with pytest.raises(UserError, match=f"broke off after {have} of {len(CONTENT)} bytes; run .* again"):
            download("cifar10", raw)
        assert part.stat().st_size == have and not part.with_suffix("").exists()
    server.break_after = None
    lines: list[str] = []
    (path,) = download("cifar10", raw, progress=lines.append)
    assert path == raw / "cifar10" / FILE and path.read_bytes() == CONTENT and not part.exists()
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert lines[-1] == f"{FILE}: 100 % of 1 MiB"


def test_what_is_there_is_not_fetched_again(server: Server, raw: Path, part: Path) -> None:
    download("cifar10", raw)
    download("cifar10", raw)
    assert len(server.ranges) == 1
    (raw / "cifar10" / FILE).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"not the official file.*delete it"):
        download("cifar10", raw)


def test_a_server_without_ranges_starts_anew(server: Server, raw: Path, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.honours_ranges = False
    (path,) = download("cifar10", raw)
    assert path.read_bytes() == CONTENT


def test_a_complete_part_only_needs_its_check(server: Server, raw: Path, part: Path) -> None:
    part.write_bytes(CONTENT)
    (path,) = download("cifar10", raw)
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_not_kept(server: Server, raw: Path, part: Path) -> None:
    part.write_bytes(b"not the beginning of the file")
    with pytest.raises(UserError, match=r"not the official .*expected .*not kept"):
        download("cifar10", raw)
    assert list(part.parent.iterdir()) == []


def test_files_folders_and_addresses_serve_as_sources(server: Server, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed.gz").write_bytes(CONTENT)
    (tmp_path / FILE).write_bytes(CONTENT)
    for number, source in enumerate(
        (
            str(tmp_path / "renamed.gz"),
            str(tmp_path),
            (tmp_path / FILE).as_uri(),
            tmp_path.as_uri(),
            server.url,
            f"{server.url}/{FILE}",
        )
    ):
        (path,) = download("cifar10", raw / str(number), source)
        assert path.read_bytes() == CONTENT


def test_sources_that_do_not_work_are_named(server: Server, raw: Path, tmp_path: Path) -> None:
    for source, problem in {
        f"{server.url}/elsewhere": "elsewhere.*404",
        str(tmp_path / "missing.gz"): "missing.gz",
        "ftp://example.org/data": "http, https or file",
        "http://127.0.0.1:1": "127.0.0.1:1.*run the command again",
    }.items():
        with pytest.raises(UserError, match=problem):
            download("cifar10", raw, source)


@pytest.mark.parametrize(
    "name", [name for name, cls in datasets.registry().items() if cls.class_names and not cls.files]
)
def test_what_cannot_be_downloaded_is_explained(name: str, raw: Path) -> None:
    with pytest.raises(UserError, match=f"{name}: there is nothing") as error:
        download(name, raw)
    assert all(synset in str(error.value) for synset in datasets.find(name).folders)
    assert "Licence:" in str(error.value) and not raw.exists()
