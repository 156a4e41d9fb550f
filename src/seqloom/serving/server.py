"""Runs the application until it is told to stop."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from seqloom.errors import RequestError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_GRACE_SECONDS = 10


class GracefulServer(uvicorn.Server):
    """Stops at SIGTERM and Ctrl-C when what has begun is answered, and says which of them it was."""

    stopped_by: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.stopped_by is not None:
            self.force_exit = True
        self.stopped_by, self.should_exit = sig, True


def run(app: ASGIApp, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serves at `host` and `port` (0: a free one); `announce` is told the address when requests are answered. Raises
    RequestError where the address cannot be taken, and KeyboardInterrupt after Ctrl-C."""
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False, date_header=False, limit_concurrency=1_000, h11_max_incomplete_event_size=64 << 10,
        timeout_keep_alive=30, lifespan="on",
    )  # fmt: skip
    with listening_socket(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listening.getsockname()[1]}")
        server = GracefulServer(config)
        server.run(sockets=[listening])
    if server.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there. Where its protocol were not named, asyncio would leave Nagle's algorithm on, and
    answers would wait 40 ms for the client."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()  # who reads the address may connect at once, and is answered when the server has started
    except OSError as error:
        listening.close()
        raise RequestError(
            "the server cannot listen there", where=f"{host}:{port}", got=error.strerror or str(error),
            hint="give another --port, or 0 for a free one",
        ) from None  # fmt: skip
    return listening


def hosts_of(host: str) -> list[str]:
    """The names under which a server on this machine alone may be asked; none where others may reach it."""
    return list(LOOPBACK) if host in LOOPBACK else []


def print_address(address: str) -> None:
    print(f"serving at {address} (Ctrl-C stops it)", file=sys.stderr, flush=True)
