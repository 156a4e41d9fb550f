"""Small labelled examples to train on: texts and sequences of numbers whose classes can be told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.data.readers.labelled import holds_numbers
from tests.support.texts import without_count

LABELS = ("animal", "colour", "number")
WORDS = {"animal": "cat dog cow rat", "colour": "red blue green grey", "number": "one two three four"}
SMALL_NETWORK = {
    "tokenizer.min_count": 1,
    "data.examples_per_batch": 8,
    "training.checkpoint_seconds": 0,
    "training.evaluations": 3,
}


def write_labelled(path: Path, examples: int = 150, seed: int = 5) -> str:
    """label TAB words: one of the label's own among some that tell nothing."""
    rng = random.Random(seed)
    rows = []
    for _ in range(examples):
        label = rng.choice(LABELS)
        words = [rng.choice(["the", "is", "it", "so", "a"]) for _ in range(rng.randint(0, 6))]
        words.insert(rng.randint(0, len(words)), rng.choice(WORDS[label].split()))
        rows.append(f"{label}\t{' '.join(words)} {rng.randrange(1000)}\n")
    path.write_text("".join(rows))
    return str(path)


def write_series(path: Path, examples: int = 90, seed: int = 5) -> str:
    """Two channels of 3 to 9 steps; one class rises in the first, one in the second, one in neither."""
    rng = random.Random(seed)
    rows = ["@univariate false\n@classLabel true rise fall still\n@data\n"]
    for _ in range(examples):
        label, steps = rng.choice(("rise", "fall", "still")), rng.randint(3, 9)
        slope = {"rise": 1.0, "fall": -1.0, "still": 0.0}[label]
        channels = [[slope * t * way + rng.gauss(0, 0.1) for t in range(steps)] for way in (1, -1)]
        rows.append(":".join([*(",".join(f"{x:.4f}" for x in channel) for channel in channels), label]) + "\n")
    path.write_text("".join(rows))
    return str(path)


def sizes(model: str) -> dict[str, Any]:
    if model == "bow":
        return {"model.min_count": 1}
    width = (
        {"model.model_dim": 8, "model.num_heads": 2} if model.startswith("transformer") else {"model.hidden_size": 8}
    )
    return {"embedding.dim": 6, **width}


def train_labelled(
    out: Path, *, model: str = "gru", updates: int = 6, data: str = "", valid: str | None = None, **settings: object
) -> seqloom.Run:
    """A run in `out` of texts beside it, or of `data`; settings are written with `__` for their dots."""
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    data = data or write_labelled(out.parent / "labelled.tsv")
    return seqloom.train(
        "classify",
        data,
        model=model,
        valid=valid,
        updates=updates,
        out=out,
        threads=1,
        quiet=True,
        settings=without_count({**SMALL_NETWORK, **sizes(model), **dotted}, of_numbers=holds_numbers(data)),
    )


def shared_labelled_run(factory: pytest.TempPathFactory, **options: Any) -> seqloom.Run:
    """A run for a whole module of tests, which come after the cache of one test is set."""
    folder = factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        return train_labelled(folder / "run", **options)
