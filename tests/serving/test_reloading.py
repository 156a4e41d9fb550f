"""Models that are saved anew while a server answers from them."""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import seqloom
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.serving.opening import open_hosted, open_warm
from seqloom.serving.reloading import Reloading
from seqloom.storage.tensors import read_tensors, write_tensors
from tests.support.chromium import CHROMIUM
from tests.support.served import serving, train_served

WEIGHTS = "model.safetensors"
QUESTION = {"input": "the cat", "top": 5}
CLIENT = httpx.Client(timeout=60)
"""One for all requests, since each new one loads the certificates of the system."""


@pytest.fixture(scope="module", autouse=True)
def _client() -> Iterator[None]:
    yield
    CLIENT.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_served(tmp_path_factory.mktemp("reloading"), ["lstm"])["lstm"].folder


@pytest.fixture
def folder(tmp_path: Path, trained: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "lstm"))


@contextmanager
def _following(folder: Path, *, is_open: bool = True) -> Iterator[str]:
    reloading = Reloading({"lstm": folder}, open_warm, seconds=0.05)
    with serving([open_hosted(folder, "lstm")] if is_open else [], reloading=reloading) as address:
        yield address


def _save_others(folder: Path) -> None:
    """Other weights, as a training saves them."""
    tensors = read_tensors(folder / WEIGHTS)
    others = {name: 1.5 * part if part.is_floating_point() else part for name, part in tensors.items()}
    write_tensors(folder / WEIGHTS, others)


def _next(address: str) -> Any:
    return CLIENT.post(f"{address}/v1/next", json=QUESTION).json()["results"][0]


def _expected(folder: Path) -> Any:
    candidates = open_hosted(folder, "lstm").tokens.next("the cat", 5)
    return [{"text": c.text, "probability": pytest.approx(math.exp(c.log_prob), rel=1e-5)} for c in candidates]


def _text(line: str) -> str:
    """Of a line of a stream."""
    return str(json.loads(line.removeprefix("data: "))["choices"][0]["text"])


def _wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_better_weights_are_served_once_they_are_saved(folder: Path) -> None:
    with _following(folder) as address:
        before, (card,) = _next(address), CLIENT.get(f"{address}/v1/models").json()["data"]
        assert card["created"] == int((folder / WEIGHTS).stat().st_mtime)
        assert card["updates"] == seqloom.load(folder).summary["best_updates"]
        time.sleep(1.1)  # `created` is in seconds
        _save_others(folder)
        answers: list[Any] = []
        _wait_until(lambda: answers.append(_next(address)) or answers[-1] != before)  # type: ignore[func-returns-value]
        assert answers[-1] == _expected(folder)  # no answer was of a part of the weights
        (after,) = CLIENT.get(f"{address}/v1/models").json()["data"]
        assert after["created"] > card["created"]


def test_a_text_is_written_by_the_weights_with_which_it_began(folder: Path) -> None:
    body = {"prompt": "the", "max_tokens": 400, "temperature": 0, "stream": True, "logprobs": 0}
    with _following(folder) as address:
        whole = CLIENT.post(f"{address}/v1/completions", json=body | {"stream": False}).json()["choices"][0]["text"]
        before, text = _next(address), ""
        with CLIENT.stream("POST", f"{address}/v1/completions", json=body) as response:
            lines = (line for line in response.iter_lines() if line.startswith("data: {"))
            text += _text(next(lines))
            _save_others(folder)
            _wait_until(lambda: bool(_next(address) != before))
            for line in lines:
                text += _text(line)
        assert text == whole


def test_what_is_damaged_does_not_replace_a_model(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    with _following(folder) as address, caplog.at_level(logging.WARNING, "seqloom.serving"):
        before = _next(address)
        (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])  # as a copy that is under way
        _wait_until(lambda: "cannot be opened" in caplog.text)
        time.sleep(0.3)
        assert len(caplog.records) == 1
        assert _next(address) == before
        (folder / WEIGHTS).write_bytes(whole)
        _save_others(folder)
        _wait_until(lambda: bool(_next(address) != before))
        shutil.rmtree(folder)
        time.sleep(0.2)
        assert CLIENT.post(f"{address}/v1/next", json=QUESTION).status_code == 200


def test_a_training_is_served_from_its_first_weights_on(folder: Path) -> None:
    weights = (folder / WEIGHTS).rename(folder.parent / WEIGHTS)
    with _following(folder, is_open=False) as address:
        assert CLIENT.get(f"{address}/v1/models").json()["data"] == []
        shutil.copy(weights, folder)
        _wait_until(lambda: bool(CLIENT.get(f"{address}/v1/models").json()["data"]))
        assert _next(address) == _expected(folder)


def test_a_model_that_is_exported_anew_is_served(tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    shipped = tmp_path / "shipped"
    exporters["onnx"](seqloom.load(folder), shipped, ExportOptions())
    _save_others(folder)
    exporters["onnx"](seqloom.load(folder), tmp_path / "other", ExportOptions())
    with _following(shipped) as address:
        before = _next(address)
        shipped.rename(tmp_path / "earlier")
        (tmp_path / "other").rename(shipped)
        _wait_until(lambda: bool(_next(address) != before))
        assert _next(address) == _expected(shipped)


def test_an_earlier_model_is_freed(folder: Path) -> None:
    opened: list[weakref.ref[Any]] = []

    def open_noted(place: Path, name: str) -> Any:
        model = open_warm(place, name)
        opened.append(weakref.ref(model))
        return model

    with serving([], reloading=Reloading({"lstm": folder}, open_noted, seconds=0.05)) as address:
        _wait_until(lambda: bool(CLIENT.get(f"{address}/v1/models").json()["data"]))
        before = _next(address)
        _save_others(folder)
        _wait_until(lambda: bool(_next(address) != before))
        gc.collect()
        assert len(opened) == 2
        assert opened[0]() is None


def test_nothing_is_opened_again_without_need(folder: Path) -> None:
    opened: list[str] = []

    def open_counted(place: Path, name: str) -> Any:
        opened.append(name)
        return open_hosted(place, name)

    reloading = Reloading({"lstm": folder}, open_counted, seconds=0.02)
    with serving([open_hosted(folder, "lstm")], reloading=reloading) as address:
        for name in ("metrics.jsonl", "live.json", "README.md", "report.html"):  # what a training and a report write
            (folder / name).write_text("{}\n")
        time.sleep(0.3)
        _next(address)
    assert opened == []


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_the_page_says_which_weights_answer(folder: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    os.utime(folder / WEIGHTS, (1e9, 1e9))
    with _following(folder) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.locator(".about", has_text="9 Sept 2001").wait_for()
        page.fill("textarea", "the cat")
        _save_others(folder)
        page.locator(".about", has_not_text="2001").wait_for()
        assert page.input_value("textarea") == "the cat"
        page.get_by_role("tab", name="Write").click()  # which makes the panel again
        assert "2001" not in page.locator(".about").inner_text()
        browser.close()
