"""Small pairs to train on: words to be written in reverse, whose solution is known."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import seqloom
from tests.support.shared import shared
from tests.support.texts import without_count

SMALL_NETWORK = {
    "tokenizer.min_count": 1,
    "embedding.dim": 12,
    "data.tokens_per_batch": 60,
    "training.checkpoint_seconds": 0,
    "training.evaluations": 3,
    "decoding.validation_examples": 5,
    "decoding.max_length": 12,
}


def write_pairs(path: Path, pairs: int = 150, longest: int = 6, symbols: str = "abcdef", seed: int = 5) -> str:
    """A line is letters TAB the same in reverse, blanks between."""
    rng = random.Random(seed)
    rows = []
    for _ in range(pairs):
        letters = [rng.choice(symbols) for _ in range(rng.randint(1, longest))]
        rows.append(f"{' '.join(letters)}\t{' '.join(reversed(letters))}\n")
    path.write_text("".join(rows))
    return str(path)


def small(model: str) -> dict[str, Any]:
    """The settings of a small model."""
    if model == "joint-ngram":
        return {"tokenizer.min_count": 1, "model.order": 3}
    side = "model_dim" if model == "transformer" else "hidden_size"
    return {**SMALL_NETWORK, f"encoder.{side}": 8, f"decoder.{side}": 8}


def train_pairs(
    out: Path, *, model: str = "gru+attention", updates: int = 6, resume: bool = False, **settings: object
) -> seqloom.Run:
    """A run in `out` of pairs beside it; settings are written with `__` for their dots."""
    data = out.parent / "pairs.tsv"
    if not data.exists():
        write_pairs(data)
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return seqloom.train(
        "translate",
        str(data),
        model=model,
        updates=updates,
        out=out,
        threads=1,
        quiet=True,
        resume=resume,
        settings=without_count({**small(model), **dotted}),
    )


def shared_pairs_run(factory: pytest.TempPathFactory, **options: object) -> seqloom.Run:
    """A run for a whole module of tests, which come after the cache of one test is set."""
    return shared(factory, train_pairs, **options)
