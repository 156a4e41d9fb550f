"""Several trainings at a time, on this machine and on a Dask cluster, whose killed worker's training is done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.texts import write_text
from tests.support.training_here import train_here

from seqloom.comparison import trainings
from seqloom.comparison.comparison import compare
from seqloom.comparison.report_content import Comparison
from seqloom.errors import RequestError

pytest.importorskip("joblib")
pytest.importorskip("distributed")


def small(text: str, out: Path, **changed: Any) -> Comparison:
    requested: dict[str, Any] = {"models": ["ngram:order=2", "ngram"], "updates": 1, "seeds": 2, "threads": 1}
    return compare("language-model", text, out=out, quiet=True, **{**requested, **changed})


def results(comparison: Comparison) -> list[Any]:
    """What does not depend on the clock."""
    rows = [(row.model, row.scores, row.score, row.parameters) for row in comparison.rows]
    return [rows, comparison.report["verdict"], comparison.report["pairs"], comparison.report["worst_examples"]]


WORKER = """
import os, time
from seqloom.comparison import jobs, training_process

def run_training_but_the_first(arguments, title, quiet=False):
    try:
        first = os.open({begun!r}, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        training_process.run_training(arguments, title, quiet)
    else:
        os.write(first, str(os.getpid()).encode())
        time.sleep(600)

jobs.run_training = run_training_but_the_first
"""
"""What a worker does before its first task: the first training of all writes the process id of its worker to the file
`begun` and waits, to be killed; the others train."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two workers, which know `WORKER` with a file `begun` in `tmp_path`."""
    port_file, preload = tmp_path / "scheduler.json", tmp_path / "worker.py"
    preload.write_text(WORKER.format(begun=str(tmp_path / "begun")))
    python = [sys.executable, "-W", "ignore", "-m"]
    log: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(port_file)]
    processes = [subprocess.Popen([*python, "distributed.cli.dask_scheduler", *options], **log)]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / "workers")]
    options += ["--preload", str(preload)]
    try:
        wait_for(port_file)
        address = json.loads(port_file.read_text())["address"]
        worker = [*python, "distributed.cli.dask_worker", address, *options]
        processes += [subprocess.Popen(worker, **log) for _ in range(2)]
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for(path: Path) -> None:
    """Until the file has content: the processes of a cluster take minutes to start beside much other work."""
    deadline = time.monotonic() + 300
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} has no content after 300 s"
        time.sleep(0.05)


@pytest.mark.slow  # the processes of a cluster take long to start on a busy machine
def test_a_cluster_repeats_the_training_of_a_killed_worker(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is that of one job on this machine, and says where the trainings ran."""
    text = write_text(tmp_path / "text.txt", lines=80)
    killed: list[int] = []

    def kill_when_it_trains() -> None:
        wait_for(tmp_path / "begun")
        killed.append(int((tmp_path / "begun").read_text()))
        os.kill(killed[0], signal.SIGKILL)

    watch = threading.Thread(target=kill_when_it_trains)
    watch.start()
    try:
        remote = small(text, tmp_path / "remote", cluster=cluster)
    finally:
        watch.join()
    assert killed
    assert set(remote.report["machines"].values()) == {os.uname().nodename}
    runs = tmp_path / "remote" / "runs"
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]
    assert f'data = "{text}"' in (runs / "ngram-seed1" / "config.toml").read_text()
    monkeypatch.setattr(trainings, "run_training", train_here)
    assert results(remote) == results(small(text, tmp_path / "local"))


def test_a_finished_comparison_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_text(tmp_path / "text.txt", lines=80)
    monkeypatch.setattr(trainings, "run_training", train_here)
    finished = small(text, tmp_path / "compared", models=["ngram"])
    again = small(text, tmp_path / "compared", models=["ngram"], cluster="tcp://127.0.0.1:1")
    assert results(again) == results(finished)


def test_several_jobs_give_the_report_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the comparison was interrupted after the first training."""
    text = write_text(tmp_path / "text.txt", lines=80)
    parallel = small(text, tmp_path / "compared", jobs=2)
    for name in ("runs/ngram-seed1/summary.json", "worst_examples.json", "report.json"):
        (tmp_path / "compared" / name).unlink()
    monkeypatch.setattr(trainings, "run_training", train_here)
    assert results(small(text, tmp_path / "compared")) == results(parallel)


@pytest.mark.slow  # each training is a process of its own
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_comparison_continues_to_the_report_of_one_that_was_not(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of the first training of a network, which saves, stops, and is resumed."""
    text = write_text(tmp_path / "text.txt", lines=80)
    settings = {"model.hidden_size": 8, "embedding.dim": 8, "training.evaluations": 20}
    terms: dict[str, Any] = {"models": ["rnn", "ffnn"], "updates": 600, "seeds": 2}
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "seqloom", "compare", "language-model", text, "--models", "rnn,ffnn"]
    command += ["--updates", "600", "--seeds", "2", "--threads", "1", "--jobs", str(jobs), "--out", str(killed)]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(killed / "runs" / "rnn-seed1" / "metrics.jsonl")
    process.kill()
    process.wait()
    summaries = [path.parent.name for path in (killed / "runs").glob("*/summary.json")]
    assert "ffnn-seed2" not in summaries  # there was something left to do
    resumed = small(text, killed, jobs=jobs, settings=settings, **terms)
    monkeypatch.setattr(trainings, "run_training", train_here)
    assert results(resumed) == results(small(text, tmp_path / "quiet", settings=settings, **terms))


def test_impossible_jobs_are_refused(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=80)
    with pytest.raises(RequestError, match="needs a job"):
        small(text, tmp_path / "compared", jobs=0)
    assert not (tmp_path / "compared").exists()
