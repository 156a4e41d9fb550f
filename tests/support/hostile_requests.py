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


_TEXTS = ["the cat sat", "", "a", "the " * 40, "\u00e9\u0301 w1, 17 %", *_ODD]
_SERIES = [(step % 12) + 0.1 * (step % 7) for step in range(48)]
_GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/next", "lstm", {"input": "the", "top": 5}),
    ("/v1/next", "ngram", {"input": ["the", "a cat"]}),
    ("/v1/score", "ngram", {"input": ["the cat", "a"]}),
    ("/v1/score", "lstm", {"input": "the cat"}),
    ("/v1/score", "translator", {"input": [{"source": "a b", "target": "b a"}]}),
    ("/v1/embeddings", "lstm", {"input": "the cat"}),
    ("/v1/completions", "lstm", {"prompt": "the", "max_tokens": 5, "temperature": 0.9, "seed": 3, "logprobs": 2}),
    ("/v1/completions", "ngram", {"prompt": "", "max_tokens": 3, "stop": "a", "stream": True, "echo": True}),
    ("/v1/translate", "translator", {"input": ["a b c"], "n_best": 2, "beam_size": 3, "attention": True}),
    ("/v1/describe", "describer", {"input": [[0.5] * 8], "n_best": 2}),
    ("/v1/describe", "describer", {"input": [[[0.5] * 8, [1.0] * 8]], "attention": True}),
    ("/v1/classify", "classifier", {"input": ["a b", "c"]}),
    ("/v1/classify", "bag", {"input": "good bad", "words": True}),
    ("/v1/tag", "tagger", {"input": "the cat sat"}),
    ("/v1/forecast", "forecaster", {"values": _SERIES, "horizon": 4}),
    ("/v1/forecast", "forecaster", {"rows": {"time": list(range(48)), "value": _SERIES}, "horizon": 2}),
    ("/v1/nearest", "words", {"input": "the", "top": 3}),
    ("/v1/analogy", "words", {"positive": ["the"], "negative": ["a"], "top": 2}),
    ("/v1/memory", "machine", {"seed": 1}),
]  # fmt: skip
"""Requests that are answered: the path, the model by its name in `SERVED`, and the fields."""


def hostile_request(rng: random.Random) -> tuple[str, dict[str, str], bytes]:
    """A path, headers and a body: a good request of which a little is changed, or one that is wrong in all."""
    if rng.random() < 0.6:
        path, model, fields = rng.choice(_GOOD)
        body = json.dumps({"model": model, **_changed(fields, rng)}).encode()
        return path, {"content-type": "application/json"}, body
    path = rng.choice(_PATHS)
    kind = "audio/wav" if path == "/v1/transcribe" else "application/json"
    return path, {"content-type": kind}, _body(rng)


def _changed(fields: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The fields with another text in each place that has one, or another value in one or two places."""
    if rng.random() < 0.5:
        return {name: _with_other_texts(value, rng) for name, value in fields.items()}
    names = [*fields, rng.choice(_FIELDS[1:])]
    return fields | {rng.choice(names): rng.choice(_VALUES) for _ in range(rng.choice((1, 1, 2)))}


def _with_other_texts(value: Any, rng: random.Random) -> Any:
    if isinstance(value, str):
        return rng.choice(_TEXTS)
    if isinstance(value, list):
        return [_with_other_texts(item, rng) for item in value]
    return {name: _with_other_texts(item, rng) for name, item in value.items()} if isinstance(value, dict) else value


def _body(rng: random.Random) -> bytes:
    fields = {name: rng.choice(_VALUES) for name in rng.sample(_FIELDS, rng.randint(0, 5))}
    for name in ("input", "prompt", "positive", "values"):
        if rng.random() < 0.5:
            fields[name] = rng.choice(_VALUES)
    body = json.dumps(fields).encode()
    kind = rng.random()
    if kind < 0.1:
        place = rng.randrange(len(body) + 1)
        return body[:place] + bytes([rng.randrange(256)]) + body[place:]
    if kind < 0.15:
        return b"[" * 100_000
    return body[: rng.randrange(len(body) + 1)] if kind < 0.2 else body
