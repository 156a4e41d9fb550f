"""One process owns the folder of a run: trainings that start together, die or are stopped early lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.storage.folder import locked_folder, locked_new_folder
from tests.support.small_runs import train_small
from tests.support.texts import SMALL, write_text

SIZES = {**SMALL, "model.hidden_size": 8}


def command(text: str, *options: str, settings: dict[str, Any] = SIZES) -> list[str]:
    words = [sys.executable, "-m", "seqloom", "train", "language-model", text, "--model", "rnn", "--threads", "1"]
    for name, value in settings.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    return [*words, *options]


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_trainings_that_start_together_take_folders_of_their_own(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    started = [
        subprocess.Popen(command(text, "--updates", "3", "--seed", str(seed)), cwd=tmp_path, stderr=subprocess.PIPE)
        for seed in (1, 2, 3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors.decode()
    folders = sorted((tmp_path / "runs").iterdir())
    assert [folder.name for folder in folders] == [f"language-model-rnn{end}" for end in ("", "-2", "-3")]
    assert {seqloom.load(folder).plan.seed for folder in folders} == {1, 2, 3}


def test_a_folder_in_use_is_refused_with_its_owner(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "run"):
        with pytest.raises(seqloom.RequestError, match="another process") as refused:
            train_small(tmp_path / "run")
        assert f"process {os.getpid()} on " in str(refused.value)
    assert not (tmp_path / "run").exists(), "a folder that stayed empty goes again"
    assert train_small(tmp_path / "run").summary["finished"]
    assert not (tmp_path / "run" / ".lock").exists()


def test_new_folders_are_made_by_one_process_alone(tmp_path: Path) -> None:
    with locked_new_folder(tmp_path / "a" / "run") as first, locked_new_folder(tmp_path / "a" / "run") as second:
        (second / "something").touch()
    assert (first.name, second.name) == ("run", "run-2")
    assert not first.exists()
    assert second.exists()


def test_the_lock_of_a_dead_owner_is_taken_over(tmp_path: Path) -> None:
    text, folder = write_text(tmp_path / "text.txt", lines=60), tmp_path / "run"
    process = subprocess.Popen(command(text, "--updates", "100000", "--out", str(folder)), stderr=subprocess.DEVNULL)
    wait_for((folder / "training" / "current").exists)
    with pytest.raises(seqloom.RequestError, match="another process"):
        seqloom.train("language-model", text, model="rnn", updates=100_000, out=folder, resume=True, settings=SIZES)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / ".lock").exists()
    with locked_folder(folder):
        pass


def test_other_data_of_the_same_vocabulary_is_refused(tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=5)
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{line}\n" for line in reversed(text.read_text().splitlines())))
    with pytest.raises(seqloom.RequestError, match="data is no longer") as refused:
        train_small(tmp_path / "run", updates=5, resume=True)
    assert "text.txt" in str(refused.value)


def test_data_may_lie_elsewhere_and_old_runs_have_no_hashes(tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=5)
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().partition("[contents]")[0])
    assert train_small(tmp_path / "run", updates=5, resume=True).summary["finished"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_preparation_leaves_nothing_half_made(stop: signal.Signals, tmp_path: Path) -> None:
    text = tmp_path / "pipe"
    os.mkfifo(text)
    folder = tmp_path / "run"
    process = subprocess.Popen(command(str(text), "--updates", "3", "--out", str(folder)), stderr=subprocess.PIPE)
    with text.open("w") as stream:  # open as soon as the training reads it
        stream.write("a b c\n")
        stream.flush()
        time.sleep(0.2)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert "Traceback" not in errors.decode()
    assert not folder.exists()


def test_the_training_of_a_killed_comparison_stops_and_is_resumed(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "text.txt", lines=60), tmp_path / "compared"
    words = [sys.executable, "-m", "seqloom", "compare", "language-model", text, "--models", "rnn", "--threads", "1"]
    words += ["--updates", "600", "--seeds", "1", "--out", str(out)]
    for name, value in {**SIZES, "training.evaluations": 20}.items():  # the first checkpoint comes early
        words += ["--set", f"{name}={json.dumps(value)}"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    run = out / "runs" / "rnn-seed1"
    wait_for((run / "training" / "current").exists)
    child = json.loads((run / ".lock").read_text())["process"]
    assert child != process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert subprocess.run(words, capture_output=True, timeout=200).returncode == 0
    assert not Path(f"/proc/{child}").exists()
    updates = [json.loads(line)["updates"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert updates == sorted(set(updates))
    assert json.loads((run / "summary.json").read_text())["finished"]


def test_a_comparison_runs_once(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    with locked_folder(tmp_path / "compared"), pytest.raises(seqloom.RequestError, match="another process"):
        seqloom.compare("language-model", text, models=["rnn"], updates=2, out=tmp_path / "compared", quiet=True)


@pytest.mark.parametrize("inside", ["allocation", "srun"])
def test_slurm(inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an allocation of two tasks, one process trains; what srun starts twice is refused."""
    for name, value in {"JOB_ID": "7", "NTASKS": "2", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURM_JOB_NAME", "training")
    if inside == "allocation":
        assert train_small(tmp_path / "run", updates=2).summary["finished"]
        return
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(seqloom.RequestError, match="srun") as refused:
        train_small(tmp_path / "run", updates=2)
    assert "torchrun" in str(refused.value)
