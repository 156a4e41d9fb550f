"""What goes before every request: the key, the name of the host, the headers of the answer, and what is measured."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seqloom.errors import RequestError
from seqloom.serving.measured import Measured
from seqloom.serving.messages import refusal
from seqloom.serving.response_error import ResponseError

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""Of every answer that does not say otherwise."""

REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
"""Of the pages in a run's folder, whose scripts and styles stand in themselves."""

OPEN_PATHS = frozenset({"/", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""What is answered without a key; the files of the page are too."""


_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]+)?")


def check_origin(origin: str) -> None:
    """Raises RequestError for what a browser would never send as the origin of a page."""
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise RequestError(
            "this is no origin", where="--cors", got=origin,
            expected="such as https://example.org, without a path, or *",
        )  # fmt: skip


class Guard:
    """`key`, `hosts`: as of `make_app`. `paths`: those that requests are counted by; all others are one."""

    def __init__(self, app: ASGIApp, key: str, hosts: Iterable[str], measured: Measured, paths: Iterable[str]) -> None:
        self._app, self._key, self._hosts, self._measured = app, key, frozenset(hosts), measured
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                held = {name for name, _ in message["headers"]}
                added = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in held]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        error = self._refusal(Request(scope))
        if error is None:
            await self._app(scope, receive, send_on)
        else:
            await refusal(Request(scope), error)(scope, receive, send_on)
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._measured.request(path, status, time.perf_counter() - began)

    def _refusal(self, request: Request) -> ResponseError | None:
        if self._hosts and _host(request) not in self._hosts:
            return ResponseError(421, "this server is not asked by that name")
        path = request.url.path
        if not self._key or path in OPEN_PATHS or path.startswith("/page/"):
            return None
        header = request.headers.get("authorization", "")
        if hmac.compare_digest(header.encode("utf-8", "replace"), f"Bearer {self._key}".encode()):
            return None
        return ResponseError(401, "the key is missing or wrong; expected the header Authorization: Bearer KEY")


def _host(request: Request) -> str | None:
    """The name that the client asked for, without the port."""
    try:
        return urlsplit("//" + request.headers.get("host", "")).hostname
    except ValueError:
        return None
