"""What every address of the page answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from pcl import progress
from pcl.constraints import Contradiction
from pcl.errors import UserError
from pcl.label import bodies, shapes
from pcl.label.feed import Feed, Learner
from pcl.label.library import Library
from pcl.label.session import Session, Stale

HERE = Path(__file__).parent
KEPT = "private, max-age=31536000, immutable"  # a picture's number means that picture for ever
Endpoint = Callable[[Request], Awaitable[Response]]


class Views:
    """The page over a session and its pictures. One tab writes; others look on until they take over."""

    def __init__(self, session: Session, library: Library) -> None:
        """Show a session over a library."""
        self.session, self.library = session, library
        self.feed = Feed()
        self.learner = Learner(lambda: session.due, session.fit, self.feed)
        self.writer: str | None = None
        # One port may serve another folder tomorrow, and the browser still has the pictures of this one.
        self.version = hashlib.sha256(str(session.place).encode()).hexdigest()[:8]
        self.templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)

    def routes(self) -> list[BaseRoute]:
        """All addresses but those of the files that never change."""
        acts: dict[str, tuple[type[Any], Callable[[Any], object]]] = {
            "answer": (bodies.Answer, self._answer),
            "resolve": (bodies.Settled, lambda said: self.session.settle(**said.model_dump())),
            "flip": (bodies.Flip, lambda said: self.session.flip(said.number)),
            "undo": (bodies.Nothing, lambda said: self.session.undo()),
            "mode": (bodies.ModeOf, lambda said: self.session.change(mode=said.mode)),
            "session": (bodies.About, lambda said: self.session.change(**said.model_dump(exclude_unset=True))),
        }
        changes: dict[str, tuple[type[Any], Callable[[Any], object]]] = {
            "move": (bodies.Move, lambda said: self.session.move(said.images, said.group)),
            "merge": (bodies.Merge, lambda said: self.session.merge(said.groups)),
            "rename": (bodies.Rename, lambda said: self.session.rename(said.group, said.name)),
        }
        return [
            Route("/", self.page),
            Route("/api/state", self.state),
            Route("/api/groups", self.groups),
            Route("/api/events", self.events),
            Route("/api/takeover", self.takeover, methods=["POST"]),
            *(Route(f"/api/{path}", self._acting(*act), methods=["POST"]) for path, act in acts.items()),
            *(Route(f"/api/{path}", self._acting(*act, True), methods=["POST"]) for path, act in changes.items()),
            Route("/thumb/{image:int}.webp", self.thumbnail),
            Route("/large/{image:int}.webp", self.large),
        ]

    # What is looked at

    async def page(self, request: Request) -> Response:
        """The page itself; what it shows comes later."""
        folder, log = self.library.folder.name, _short(self.session.log)
        shown = self.templates.get_template("page.html").render(folder=folder, log=log)
        return HTMLResponse(shown)

    async def state(self, request: Request) -> Response:
        """The question, how far the session is, and what was done last; the first tab that asks may write."""
        if self.writer is None:
            self.writer = request.headers.get("x-tab")
        return self._state(request)

    async def groups(self, request: Request) -> Response:
        """Every group, the most doubtful first."""
        return JSONResponse(self._groups())

    async def events(self, request: Request) -> Response:
        """What happens from now on."""
        tab = request.query_params.get("tab")
        return StreamingResponse(self.feed.listen(lambda: self._left(tab)), media_type="text/event-stream")

    async def thumbnail(self, request: Request) -> Response:
        """A picture as it is shown in grids."""
        path = self._picture(request, self.library.thumbnail)
        if path is None or not path.is_file():
            return _error(404, "there is no such picture")
        return FileResponse(path, media_type="image/webp", headers={"Cache-Control": KEPT})

    async def large(self, request: Request) -> Response:
        """A picture as it is looked at."""
        try:
            content = await asyncio.to_thread(self._picture, request, self.library.large)
        except (OSError, UserError) as error:  # the file has gone, or changed, since it was looked at
            return _error(404, str(error))
        if content is None:
            return _error(404, "there is no such picture")
        return Response(content, media_type="image/webp", headers={"Cache-Control": KEPT})

    # What is done

    async def takeover(self, request: Request) -> Response:
        """This tab writes from now on."""
        await bodies.read(request, bodies.Nothing)
        self.writer = request.headers.get("x-tab")
        self.feed.send("writer", tab=self.writer)
        return self._state(request)

    def _acting(self, kind: type[Any], act: Callable[[Any], object], groups: bool = False) -> Endpoint:
        """The endpoint that reads a body, does what it says, and answers with what has come of it."""

        async def endpoint(request: Request) -> Response:
            said = await bodies.read(request, kind)
            if self.writer is not None and request.headers.get("x-tab") != self.writer:
                return _error(423, "another tab answers; take over there first")
            try:
                act(said)
            except Stale:
                return self._state(request, 410)
            except Contradiction as error:
                return JSONResponse(shapes.contradiction(error, self.library), 409)
            except UserError as error:
                return _error(507 if isinstance(error.__cause__, OSError) else 400, str(error))
            self.learner.poke()
            return self._state(request, groups=groups)

        return endpoint

    def _answer(self, said: bodies.Answer) -> None:
        self.session.answer(
            said.question, said.reply, group=said.group, chosen=said.chosen, seconds=said.seconds
        )  # fmt: skip

    # Parts of these

    def _state(self, request: Request, status: int = 200, groups: bool = False) -> Response:
        writer = self.writer is not None and request.headers.get("x-tab") == self.writer
        shape = shapes.state(self.session, self.library, writer=writer, version=self.version)
        shape["status"] |= {"fitting": self.learner.busy, "trouble": self.learner.trouble}
        if groups:
            listed = self._groups()
            shape |= listed | {"names": shape["names"] | listed["names"]}
        return JSONResponse(shape, status)

    def _groups(self) -> shapes.Shape:
        shape = shapes.groups(self.session)
        return shape | {"names": shapes.names(self.library, shape)}

    def _picture(self, request: Request, get: Callable[[int], Any]) -> Any:
        image = int(request.path_params["image"])
        return get(image) if image < len(self.library.pictures) else None

    def _left(self, tab: str | None) -> None:
        """A tab has gone; if it was the one that writes, the next one may."""
        if tab is not None and tab == self.writer:
            self.writer = None
            self.feed.send("writer", tab=None)


def _short(path: Path) -> str:
    """A path as a person writes it, from home on."""
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else str(path)


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def failed(request: Request, error: Exception) -> Response:
    """A refusal in the page's own form."""
    return _error(getattr(error, "status_code", 500), str(getattr(error, "detail", error)))


async def broken(request: Request, error: Exception) -> Response:
    """What nobody foresaw: a line here, and one in the terminal."""
    progress.say(f"{request.url.path}: {type(error).__name__}: {error}")
    return _error(500, f"that went wrong here ({type(error).__name__}); the answers given before are safe")
