"""Who may talk to the page: the browser that opened the link, on this computer, from the page itself."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Lets through what comes from the page, and says with every response what a browser may do with it.

    A foreign Host is refused since a name elsewhere may be made to point to this computer (DNS rebinding); a foreign
    Origin since any page may send a form to any address.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Guard an application on a port with a secret token."""
        self.app, self.token = app, token
        self.cookie = f"pcl-{port}"  # cookies know no ports; two folders may be open at a time
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do so."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (self._instead(Request(scope)) or self.app)(scope, receive, marked)

    def _instead(self, request: Request) -> Response | None:
        """What to answer in the application's place; None: it may answer."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self.hosts or (origin is not None and origin != f"http://{host}"):
            return PlainTextResponse("This page answers to its own address on this computer only.\n", 403)
        given = request.query_params.get("token")
        if request.url.path == "/" and given is not None and self._right(given):
            entered = RedirectResponse("/", 303)
            entered.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return entered
        if not self._right(request.cookies.get(self.cookie, "")):
            return PlainTextResponse("Open the link that `pcl label` has printed; its token is needed.\n", 403)
        return None

    def _right(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())
