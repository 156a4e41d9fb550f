"""A run that was killed and resumed is the run that was never stopped, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.storage.tensors import read_tensors
from seqloom.tasks.language_model_settings import PRESETS
from seqloom.training.checkpoint import load_checkpoint
from tests.support.texts import SMALL, with_small, write_text

UPDATES = 40
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "averaged weights": ("gru", {"model.hidden_size": 16, "training.average": 0.9, "output.dropout": 0.2}),
    "streams with carried state": (
        "rnn",
        {"model.hidden_size": 16, "model.num_layers": 2, "model.dropout": 0.2, "embedding.dropout": 0.2},
    ),
    "bucketed lines": ("lstm", {"model.hidden_size": 16, "data.mode": "lines", "output.dropout": 0.3}),
    "a Transformer's memory": (
        "transformer",
        {"model.model_dim": 16, "model.num_heads": 2, "model.num_layers": 2, "model.window": 12, "model.dropout": 0.1},
    ),
    "accumulated": ("gru", {"model.hidden_size": 16, "training.accumulate": 2, "training.optimizer": "sgd"}),
}


def kill_somewhere(command: list[str], folder: Path, after: int) -> None:
    """Starts the training and kills it with SIGKILL once `after` updates are saved."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    current = folder / "training" / "current"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if current.exists() and int(current.read_text().split("-")[1]) >= after:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


def rows_without_clocks(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "targets_per_second")} for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_is_unbroken(kind: str, tmp_path: Path) -> None:
    model, own = KINDS[kind]
    text, settings = write_text(tmp_path / "text.txt"), with_small(own)
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    options = {"model": model, "updates": UPDATES, "settings": settings, "threads": 1, "quiet": True}
    seqloom.train("language-model", text, out=unbroken, **options)

    command = [sys.executable, "-m", "seqloom", "train", "language-model", text, "--model", model, "--out", str(killed)]
    command += ["--updates", str(UPDATES), "--threads", "1"]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    kill_somewhere(command, killed, after=random.randrange(1, UPDATES - 10))
    stopped = load_checkpoint(killed / "training")
    assert stopped is not None
    assert 0 < stopped.progress.updates < UPDATES
    seqloom.train("language-model", text, out=killed, resume=True, **options)

    one, other = read_tensors(unbroken / "model.safetensors"), read_tensors(killed / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    last, again = load_checkpoint(unbroken / "training"), load_checkpoint(killed / "training")
    assert last is not None
    assert again is not None
    assert all(torch.equal(last.model[name], again.model[name]) for name in last.model)
    assert all(torch.equal(last.optimizer[name], again.optimizer[name]) for name in last.optimizer)
    assert all(torch.equal(a, b) for a, b in zip(last.ranks[0], again.ranks[0], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(last.average, again.average, strict=True))
    assert rows_without_clocks(unbroken) == rows_without_clocks(killed)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    options = {"model": "ar", "updates": 2, "threads": 1, "quiet": True, "out": tmp_path / "run"}
    seqloom.train("language-model", text, settings=SMALL, **options)
    with pytest.raises(seqloom.RequestError, match="settings it has") as refused:
        seqloom.train("language-model", text, settings={**SMALL, "embedding.dim": 10}, resume=True, **options)
    assert "embedding.dim" in str(refused.value)
    with pytest.raises(seqloom.RequestError, match="already holds a run"):
        seqloom.train("language-model", text, settings=SMALL, **options)


def test_settings_that_are_not_given_are_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults of a later version may differ from those that a run was started with."""
    text = write_text(tmp_path / "text.txt")
    options = {"model": "ar", "updates": 2, "threads": 1, "quiet": True, "out": tmp_path / "run"}
    before = seqloom.train("language-model", text, settings=SMALL, **options).plan.settings
    monkeypatch.setitem(PRESETS["ar"], "training.learning_rate", 0.5)
    again = seqloom.train("language-model", text, settings={"embedding.dim": 12}, resume=True, **options)
    assert again.plan.settings == before
