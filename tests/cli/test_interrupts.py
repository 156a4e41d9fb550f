"""Ctrl-C and SIGTERM at a real training: exit status 130, how to resume, a run that is usable and resumes exactly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.training.checkpoint import load_checkpoint
from tests.support.small_runs import assert_same_run
from tests.support.texts import SMALL, write_text

SETTINGS: dict[str, Any] = {**SMALL, "model.hidden_size": 8, "output.dropout": 0.2, "training.evaluations": 50}
SETTINGS["training.checkpoint_seconds"] = 0.2
UPDATES = 300
OPTIONS: dict[str, Any] = {"model": "rnn", "updates": UPDATES, "threads": 1, "quiet": True, "settings": SETTINGS}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text and the run of it that nothing stopped."""
    folder = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        seqloom.train("language-model", write_text(folder / "text.txt", lines=60), out=folder / "run", **OPTIONS)
    return folder


@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGTERM"], ["SIGINT", "SIGINT"]], ids="-".join)
def test_interrupted_training_goes_on(signals: list[str], unbroken: Path, tmp_path: Path) -> None:
    text, stopped = str(unbroken / "text.txt"), tmp_path / "stopped"
    command = [sys.executable, "-m", "seqloom", "train", "language-model", text, "--model", "rnn", "--threads", "1"]
    command += ["--updates", str(UPDATES), "--out", str(stopped)]
    for name, value in SETTINGS.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (stopped / "metrics.jsonl").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    for name in signals:
        process.send_signal(getattr(signal, name))
        time.sleep(0.002)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    if len(signals) == 1:
        assert f"--out {stopped}" in errors
        assert "perplexity" in output
        checkpoint = load_checkpoint(stopped / "training")
        assert checkpoint is not None
        assert 0 < checkpoint.progress.updates < UPDATES
    assert seqloom.load(stopped).evaluate(text)["perplexity"] > 1

    assert seqloom.train("language-model", text, out=stopped, resume=True, **OPTIONS).summary["finished"]
    assert_same_run(unbroken / "run", stopped)
