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


def hostile_request(chance: random.Random) -> tuple[str, dict[str, str], bytes]:
    """A path, headers and a body: a good request of which a little is changed, or one that is wrong in all."""
    if chance.random() < 0.6:
        path, model, fields = chance.choice(_GOOD)
        body = json.dumps({"model": model, **_changed(fields, chance)}).encode()
        return path, {"content-type": "application/json"}, body
    path = chance.choice(_PATHS)
    kind = "audio/wav" if path == "/v1/transcribe" else "application/json"
    return path, {"content-type": kind}, _body(chance)


def _changed(fields: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The fields with another text in each place that has one, or another value in one or two places."""
    if chance.random() < 0.5:
        return {name: _with_other_texts(value, chance) for name, value in fields.items()}
    names = [*fields, chance.choice(_FIELDS[1:])]
    return fields | {chance.choice(names): chance.choice(_VALUES) for _ in range(chance.choice((1, 1, 2)))}


def _with_other_texts(value: Any, chance: random.Random) -> Any:
    if isinstance(value, str):
        return chance.choice(_TEXTS)
    if isinstance(value, list):
        return [_with_other_texts(item, chance) for item in value]
    return {name: _with_other_texts(item, chance) for name, item in value.items()} if isinstance(value, dict) else value


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
