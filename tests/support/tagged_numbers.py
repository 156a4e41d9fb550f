"""Sequences of numbers with a tag for each step: a level that is low or high, in noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import seqloom
from tests.support.shared import shared

SMALL_NETWORK: dict[str, Any] = {
    "frames.dim": 8, "model.hidden_size": 8, "data.tokens_per_batch": 120, "input_dropout": 0.0, "output_dropout": 0.0,
    "training.checkpoint_seconds": 0, "training.evaluations": 2, "training.learning_rate": 0.02,
}  # fmt: skip


def levels(steps: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], list[str]]:
    """(steps, 2): a level that changes now and then, and noise; with the tag of each step."""
    high = np.cumsum(rng.random(steps) < 0.15) % 2
    numbers = np.column_stack([high + rng.normal(size=steps) * 0.2, rng.normal(size=steps)])
    return numbers.round(4).astype(np.float32), ["high" if step else "low" for step in high]


def draw_levels(sequences: int, seed: int) -> list[tuple[NDArray[np.float32], list[str]]]:
    rng = np.random.default_rng(seed)
    return [levels(int(rng.integers(6, 24)), rng) for _ in range(sequences)]


def write_levels(path: Path, sequences: int = 60, seed: int = 1) -> str:
    """A CSV file: a row is a step."""
    path = path.with_suffix(".csv")
    rows = ["sequence,level,noise,tag"]
    for number, (numbers, tags) in enumerate(draw_levels(sequences, seed)):
        rows += [f"s{number},{row[0]},{row[1]},{tag}" for row, tag in zip(numbers.tolist(), tags, strict=True)]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def write_level_archive(path: Path, sequences: int = 60, seed: int = 1) -> str:
    """The same as a NumPy archive, padded."""
    drawn = draw_levels(sequences, seed)
    lengths = np.array([len(tags) for _, tags in drawn])
    vectors, tags = np.zeros((sequences, lengths.max(), 2), np.float32), np.full((sequences, lengths.max()), "", "U4")
    for number, (numbers, names) in enumerate(drawn):
        vectors[number, : len(names)], tags[number, : len(names)] = numbers, names
    np.savez(path, vectors=vectors, tags=tags, lengths=lengths)
    return str(path)


def train_levels(
    out: Path, *, model: str = "bilstm", updates: int = 40, resume: bool = False, data: str = "", **settings: Any
) -> seqloom.Run:
    """A run in `out` of levels beside it; settings are written with `__` for their dots."""
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return seqloom.train(
        "tag", data or write_levels(out.parent / "levels.csv"), model=model, updates=updates, out=out, threads=1,
        quiet=True, resume=resume, settings={**SMALL_NETWORK, **dotted},
    )  # fmt: skip


def shared_levels_run(factory: pytest.TempPathFactory, **options: Any) -> seqloom.Run:
    return shared(factory, train_levels, **options)
