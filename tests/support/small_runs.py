"""Small trainings for tests: one text, models of a few numbers, a cache of their own."""

from __future__ import annotations

import json
import signal
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.errors import SeqloomWarning
from seqloom.storage.tensors import read_tensors
from seqloom.training.checkpoint import load_checkpoint
from seqloom.training.reports import Silent
from tests.support.shared import shared
from tests.support.texts import with_small, write_text

RATES = ("seconds", "targets_per_second")


def train_small(
    out: Path,
    *,
    model: str = "lstm",
    updates: int = 6,
    resume: bool = False,
    log: Sequence[str] = (),
    **settings: Any,
) -> seqloom.Run:
    """A run in `out` of a text beside it; settings are written with `__` for their dots."""
    text = out.parent / "text.txt"
    if not text.exists():
        write_text(text, lines=60)
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    sizes = {"ar": {"model.output_size": 8}, "transformer": {"model.model_dim": 16, "model.num_layers": 2}}
    own: Mapping[str, Any] = sizes.get(model, {"model.hidden_size": 8})
    everything = with_small({"training.checkpoint_seconds": 3600, **own, **dotted})
    return seqloom.train(
        "language-model",
        str(text),
        model=model,
        updates=updates,
        out=out,
        threads=1,
        quiet=True,
        resume=resume,
        log=log,
        settings=everything,
    )


def shared_run(factory: pytest.TempPathFactory, **options: Any) -> seqloom.Run:
    """A run for a whole module of tests, which come after the cache of one test is set."""
    return shared(factory, train_small, **options)


def signal_after(patch: pytest.MonkeyPatch, updates: int, number: int = signal.SIGINT) -> None:
    """Lets this process get a signal after so many updates, once. The warning of the training is no error then."""
    warnings.filterwarnings("ignore", "the training was stopped before its end", SeqloomWarning)
    seen = [0]

    def step(*_: object) -> None:
        seen[0] += 1
        if seen[0] == updates:
            signal.raise_signal(number)

    patch.setattr(Silent, "step", step)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run without what clocks had a part in."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [{k: v for k, v in json.loads(line).items() if k not in RATES} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: best weights, last weights, optimizer, generator, carried state, metrics."""
    same: Callable[[Any, Any], bool] = torch.equal
    best, again = (read_tensors(folder / "model.safetensors") for folder in (one, other))
    assert all(same(best[name], again[name]) for name in best | again)
    a, b = (load_checkpoint(folder / "training") for folder in (one, other))
    assert a is not None
    assert b is not None
    assert all(same(a.model[name], b.model[name]) for name in a.model | b.model)
    assert all(same(a.optimizer[name], b.optimizer[name]) for name in a.optimizer | b.optimizer)
    assert all(same(x, y) for x, y in zip(a.ranks[0], b.ranks[0], strict=True))
    assert rows(one) == rows(other)
