"""Requests that are broken on purpose."""

from __future__ import annotations

import json
import random
from typing import Any

from seqloom.serving.endpoints import ENDPOINTS

ANSWERED = (200, 400, 404, 413, 415, 422, 503, 504)
"""The statuses that a server may answer such a request with: its own failure, 500, is none of them."""
_ODD = ["", "\x00", "\ud800", "a" * 5_000, "<unk> <sos>", "é\u0301\u202e", "\U0010ffff", " \t\n\r", "'; --", "%s%n"]
_VALUES: list[Any] = [
    None, True, -1, 0, 1, 2**70, 1e308, -0.5, [], {}, [[]], [None], ["a", 1], {"a": {"b": []}}, *_ODD, [*_ODD]
]  # fmt: skip
_FIELDS = [
    "model", "input", "prompt", "top", "n_best", "beam_size", "max_tokens", "temperature", "values", "rows", "horizon",
    "positive", "negative", "seed", "stop", "stream", "logprobs", "echo", "n", "words", "attention", "extra",
]  # fmt: skip
_PATHS = [endpoint.path for endpoint in ENDPOINTS] + ["/v1/completions", "/v1/transcribe"]


def hostile_request(chance: random.Random) -> tuple[str, dict[str, str], bytes]:
    """A path, headers and a body that is seldom right."""
    path = chance.choice(_PATHS)
    kind = "audio/wav" if path == "/v1/transcribe" else "application/json"
    return path, {"content-type": kind}, _body(chance)


def _body(chance: random.Random) -> bytes:
    fields = {name: chance.choice(_VALUES) for name in chance.sample(_FIELDS, chance.randint(0, 5))}
    for name in ("input", "prompt", "positive", "values"):
        if chance.random() < 0.5:
            fields[name] = chance.choice(_VALUES)
    body = json.dumps(fields).encode()
    kind = chance.random()
    if kind < 0.1:
        place = chance.randrange(len(body) + 1)
        return body[:place] + bytes([chance.randrange(256)]) + body[place:]
    if kind < 0.15:
        return b"[" * 100_000
    return body[: chance.randrange(len(body) + 1)] if kind < 0.2 else body
