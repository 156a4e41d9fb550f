"""Trainings that are watched: in another process, interrupted, killed and finished; on the page, and without one."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import seqloom
from seqloom.errors import RequestError
from seqloom.run import Run
from seqloom.serving.limits import Limits
from seqloom.serving.output_examples import output_examples
from seqloom.serving.watched import Watched
from seqloom.storage.folder import is_locked
from seqloom.training.reports import LIVE
from tests.support.chromium import CHROMIUM
from tests.support.command_line import CommandLine
from tests.support.served import serving
from tests.support.small_runs import train_small


def _copy(run: Run, folder: Path) -> Path:
    shutil.copytree(run.folder, folder)
    return folder


def _lock(folder: Path, process: int) -> None:
    (folder / ".lock").write_text(json.dumps({"process": process, "machine": platform.node()}))


def test_a_finished_training_has_its_rows_and_scores(runs: dict[str, Run]) -> None:
    state = Watched("lstm", runs["lstm"].folder).state()
    assert (state["status"], state["score"], state["live"]) == ("finished", "perplexity", None)
    assert state["rows"][-1]["valid_perplexity"] > 1
    assert state["ended"]["valid"] == runs["lstm"].summary["valid"]
    assert state["weights"]


def test_a_training_without_an_end_was_interrupted(tmp_path: Path, runs: dict[str, Run]) -> None:
    folder = _copy(runs["lstm"], tmp_path / "run")
    (folder / "summary.json").unlink()
    (folder / LIVE).write_text(json.dumps({"fraction": 0.5, "score": "perplexity", "best_updates": 3}))
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    _lock(folder, ended.pid)  # as a killed process leaves it
    state = Watched("run", folder).state()
    assert (state["status"], state["score"], state["best_updates"]) == ("interrupted", "perplexity", 3)
    assert state["live"]["fraction"] == 0.5


def test_after_the_last_step_the_best_weights_are_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[tuple[str, str, int]] = []
    evaluate = Run.evaluate

    def noted(run: Run, *arguments: Any, **options: Any) -> Any:
        state = Watched("run", run.folder).state()
        states.append((state["status"], state["score"], state["best_updates"]))
        return evaluate(run, *arguments, **options)

    monkeypatch.setattr(Run, "evaluate", noted)
    summary = train_small(tmp_path / "run", updates=4).summary
    assert {*states} == {("evaluating", "perplexity", summary["best_updates"])}
    assert summary["best_updates"] > 1
    assert Watched("run", tmp_path / "run").state()["status"] == "finished"
    assert not (tmp_path / "run" / LIVE).exists()


def test_what_is_half_written_is_no_error(tmp_path: Path, runs: dict[str, Run]) -> None:
    folder = _copy(runs["lstm"], tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"updates": 7, "ep')
    (folder / LIVE).write_text('{"fraction": 0.')
    watched = Watched("run", folder)
    before = watched.version()
    assert len(watched.state()["rows"]) == len(Watched("lstm", runs["lstm"].folder).state()["rows"])
    (folder / LIVE).unlink()
    assert watched.version() != before


def test_each_task_shows_what_it_gives(tmp_path: Path, runs: dict[str, Run]) -> None:
    kinds = {"lstm": "text", "translator": "answer", "tagger": "answer", "words": "answer", "forecaster": "forecast",
             "machine": "memory", "listener": "answer"}  # fmt: skip
    for name, kind in kinds.items():
        examples = output_examples(runs[name].folder)
        assert (name, examples["kind"]) == (name, kind)
        assert examples["items"], name
    (shown,) = output_examples(runs["forecaster"].folder)["items"]
    assert len(shown["steps"]) == runs["forecaster"].codec.horizon
    first = output_examples(runs["translator"].folder)["items"][0]
    assert first["answer"] == runs["translator"].predict([first["input"]])[0]
    watched = Watched("lstm", _copy(runs["lstm"], tmp_path / "run"))
    assert len(watched.examples()) == len(watched.examples()) == 1  # the weights have not changed
    os.utime(watched.folder / "model.safetensors")
    assert len(watched.examples()) == 2


def test_a_run_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    priority = os.nice(0)
    answer = CommandLine(monkeypatch, capsys)("watch", tmp_path / "none")
    assert answer.status == 2
    assert os.nice(0) == priority
    assert "the folder holds no run" in answer.errors
    assert str(tmp_path / "none") in answer.errors
    with pytest.raises(RequestError, match=r"no config\.toml"):
        Watched("run", tmp_path)


def test_a_state_that_the_browser_has_is_not_sent_again(runs: dict[str, Run]) -> None:
    with serving([], trainings=[Watched("lstm", runs["lstm"].folder)]) as address:
        assert httpx.get(f"{address}/v1/trainings").json() == {"data": ["lstm"]}
        first = httpx.get(f"{address}/v1/trainings/lstm")
        again = httpx.get(f"{address}/v1/trainings/lstm", headers={"if-none-match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        assert httpx.get(f"{address}/v1/trainings/other").status_code == 404
        assert httpx.get(f"{address}/v1/trainings/lstm/outputs").json()["data"][0]["kind"] == "text"


@pytest.fixture
def page() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, faults = browser.new_page(), []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        browser.close()
        assert faults == []


def test_the_page_follows_a_training(tmp_path: Path, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page, without a reload: a training in another process, which is interrupted, resumed and finished."""
    text = tmp_path / "text.txt"
    text.write_text("".join(f"the cat saw dog number {number} .\n" for number in range(300)))
    folder, settings = tmp_path / "run", {"embedding.dim": 8, "model.hidden_size": 8}
    command = [sys.executable, "-m", "seqloom", "train", "language-model", str(text), "--model", "lstm"]
    command += ["--minutes", "0.5", "--threads", "1", "--out", str(folder)]
    command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as training:
        while not is_locked(folder):
            assert training.poll() is None
            time.sleep(0.05)
        with serving([], Limits(seconds=300), trainings=[Watched("run", folder)]) as address:
            page.goto(address)
            page.wait_for_selector(".status.training")
            page.locator("dt", has_text="trained for").wait_for()
            while not (folder / "metrics.jsonl").exists():  # a curve needs a validation before the last one
                assert training.poll() is None
                time.sleep(0.05)
            training.send_signal(signal.SIGINT)
            page.wait_for_selector(".status.interrupted")
            page.get_by_text("--resume").wait_for()
            training.wait()
            clock = SimpleNamespace(monotonic=lambda: 100 * time.monotonic())  # the budget is soon spent
            monkeypatch.setattr("seqloom.training.loop.time", clock)
            seqloom.train("language-model", str(text), model="lstm", minutes=0.5, threads=1, out=folder, quiet=True,
                          settings=settings, resume=True)  # fmt: skip
            page.wait_for_selector(".status.finished")
            assert page.title() == "run has finished"
            page.locator("h2", has_text="What it gives now").wait_for()
            page.locator("figure", has_text="perplexity").wait_for()
            assert page.locator(".written").first.inner_text().strip()
            updates = json.loads((folder / "summary.json").read_text())["updates"]
            assert page.locator("dl", has_text=f"{updates:,}").count() == 1
            page.goto("about:blank")  # so that it does not ask a server that has ended
    assert not (folder / LIVE).exists()
