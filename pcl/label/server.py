"""The server of the page: on this computer only, on a free port, behind a token."""

from __future__ import annotations

import mimetypes
import secrets
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from pcl.errors import UserError
from pcl.label.guard import Guard
from pcl.label.library import Library
from pcl.label.session import Session
from pcl.label.views import HERE, Views, broken, failed

LOOPBACK = "127.0.0.1"


def application(views: Views, *, token: str, port: int) -> Starlette:
    """The page as an ASGI application."""
    mimetypes.add_type("text/javascript", ".js")  # on some systems it is plain text, which a browser won't run

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        views.learner.poke()
        yield
        views.feed.end()

    return Starlette(
        routes=[*views.routes(), Mount("/static", StaticFiles(directory=HERE / "static"))],
        middleware=[Middleware(Guard, token=token, port=port)],
        exception_handlers={HTTPException: failed, Exception: broken},
        lifespan=running,
    )


class Server(uvicorn.Server):
    """A server that lets the tabs that listen go before it waits for all requests to end."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        """Take what ends the listening."""
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._ending()
        await super().shutdown(sockets)


def prepared(session: Session, library: Library, port: int = 0) -> tuple[Server, socket.socket, str]:
    """A server that has not begun, the socket that it listens on, and the link that lets a browser in.

    Raises:
        UserError: the port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise UserError(f"port {port}: {error.strerror}; leave it out, and a free one is taken") from error
    listener.listen()
    port, token = listener.getsockname()[1], secrets.token_urlsafe(24)
    views = Views(session, library)
    config = uvicorn.Config(
        application(views, token=token, port=port),
        log_level="error",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=2,
    )
    return Server(config, views.feed.end), listener, f"http://{LOOPBACK}:{port}/?token={token}"


def serve(
    session: Session, library: Library, *, port: int = 0, show: Callable[[str], object] = webbrowser.open
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        session: that is shown and answered.
        library: its pictures.
        port: to listen on; 0: any free one.
        show: is given the link once the server listens.

    Raises:
        UserError: the port is taken.
    """
    server, listener, link = prepared(session, library, port)
    with listener:
        show(link)
        with suppress(KeyboardInterrupt):  # the way to stop, and no failure
            server.run(sockets=[listener])
