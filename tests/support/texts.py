"""Small texts to train on, and settings that make small models."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {
    "tokenizer.min_count": 1,
    "embedding.dim": 12,
    "data.batch_size": 4,
    "data.horizon": 7,
    "training.checkpoint_seconds": 0,
    "training.evaluations": 5,
}
_OF_LINES = {name: value for name, value in SMALL.items() if name not in ("data.batch_size", "data.horizon")}


def with_small(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, and those of a small model that reads a stream or, with `data.mode=lines`, lines."""
    if settings.get("data.mode") != "lines":
        return without_count({**SMALL, **settings})
    return without_count({**_OF_LINES, "data.tokens_per_batch": 60, **settings})


def without_count(settings: dict[str, Any], of_numbers: bool = False) -> dict[str, Any]:
    """The settings without the least count of a token where tokens are subwords, a file has them or there are none."""
    if settings.get("tokenizer.kind") in ("bpe", "unigram") or settings.get("tokenizer.file") or of_numbers:
        settings.pop("tokenizer.min_count", None)
    return settings


def write_text(path: Path, lines: int = 300) -> str:
    """Lines of 1 to 12 made-up words, the next depending on the last, so that there is something to learn."""
    rng = random.Random(5)
    rows = []
    for _ in range(lines):
        word, words = rng.randrange(30), []
        for _ in range(rng.randint(1, 12)):
            words.append(f"w{word}")
            word = (3 * word + rng.randrange(3)) % 30
        rows.append(" ".join(words))
    path.write_text("\n".join(rows) + "\n")
    return str(path)
