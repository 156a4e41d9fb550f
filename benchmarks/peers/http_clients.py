"""Clients of an HTTP server, each of which waits for its answer before it asks again. Knows no Seqloom.

    echo '{"host": ..., "port": ..., "path": ..., "bodies": [...], "clients": 8, "seconds": 6}' | python http_clients.py

One thread over plain sockets with requests that are made before, so that the clients leave the processor to the server.
Prints one JSON object: `answered`, the `seconds` that each answer took, and `answers`, the first one for each body.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import Any


class Client:
    """One connection. `number` of the request that is under way; they are `step` apart."""

    def __init__(self, address: tuple[str, int], first: int, step: int) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.step, self.began, self.received = first, step, 0.0, b""

    def ask(self, requests: list[bytes]) -> None:
        self.received, self.began = b"", time.perf_counter()
        self.socket.sendall(requests[self.number % len(requests)])

    def read(self) -> bytes | None:
        """The body of the answer, once all of it has come."""
        self.received += self.socket.recv(1 << 16)
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return body if len(body) >= length else None


def main() -> None:
    options: dict[str, Any] = json.load(sys.stdin)
    host = options["host"].encode()
    requests = [
        b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
        % (options["path"].encode(), host, len(body.encode()), body.encode())
        for body in options["bodies"]
    ]
    count, most = options["clients"], options.get("requests", sys.maxsize)
    selector = selectors.DefaultSelector()
    clients = [Client((options["host"], options["port"]), first, count) for first in range(count)]
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask(requests)
    seconds: list[float] = []
    answers: dict[int, str] = {}
    end = time.perf_counter() + options["seconds"]
    while time.perf_counter() < end and len(seconds) < most:
        for key, _ in selector.select(1.0):
            client = key.data
            body = client.read()
            if body is None:
                continue
            seconds.append(time.perf_counter() - client.began)
            answers.setdefault(client.number % len(requests), body.decode())
            client.number += client.step
            client.ask(requests)
    print(json.dumps({"answered": len(seconds), "seconds": seconds, "answers": answers}))


if __name__ == "__main__":
    main()
