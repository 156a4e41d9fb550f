"""The page in a browser: each panel shows what the models answer, and nothing is asked of another address."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seqloom.run import Run
from seqloom.serving.hosted_run import HostedRun
from tests.support.chromium import CHROMIUM

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """An empty page, which fails at the end for errors in the console and for requests to another address."""
    context = browser.new_context()
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text) if _is_fault(message) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else faults.append(request.url),
    )
    yield page
    context.close()
    assert faults == []


def _is_fault(message: Any) -> bool:
    """An error, unless it is that a request was refused (422), as one of a half-typed word is; the page says it."""
    return message.type == "error" and "status of 422" not in message.text


def _open(page: Any, address: str, panel: str) -> None:
    page.goto(f"{address}/#{panel}")
    page.wait_for_selector(f"nav button[aria-selected=true]:text-is('{panel.capitalize()}')")


def test_every_task_has_its_panel(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("nav button")
    tabs = page.locator("nav button").all_inner_texts()
    assert tabs == [
        "Write", "Translate", "Describe", "Classify", "Tag", "Forecast", "Listen", "Words", "Memory", "Training",
    ]  # fmt: skip


def test_what_comes_next_stands_beside_the_text(page: Any, address: str) -> None:
    _open(page, address, "write")
    page.fill("textarea", "the cat")
    page.locator(".card .bars").nth(1).wait_for()
    page.wait_for_timeout(800)
    shown = page.locator(".card").nth(0).locator(".bars .name").all_inner_texts()
    asked = {"model": "lstm", "input": "the cat", "top": 8}
    expected = httpx.post(f"{address}/v1/next", json=asked).json()["results"][0]
    assert [name.strip() for name in shown] == [
        candidate["text"].replace("\n", "↵").strip() or "␣" for candidate in expected
    ]
    page.fill("input[type=number] >> nth=1", "5")
    page.locator("button.main").nth(0).click()
    page.wait_for_selector(".written", state="attached")


def test_a_translation_is_that_of_predict(page: Any, address: str, runs: dict[str, Run]) -> None:
    _open(page, address, "translate")
    page.fill("textarea", "a b c")
    page.wait_for_selector(".answer")
    expected = runs["translator"].predict(["a b c"], beam_size=5)[0]
    assert page.inner_text(".answer") == (expected or "(an empty answer)")
    page.locator(".align p").nth(1).locator(".token").nth(0).hover()
    assert "color-mix" in page.locator(".align .token").nth(0).get_attribute("style")


def test_a_description_is_that_of_predict(page: Any, address: str, runs: dict[str, Run]) -> None:
    _open(page, address, "describe")
    vector = next(iter(runs["describer"].inputs(runs["describer"].plan.sources.data)))
    page.fill("textarea", ", ".join(map(str, vector.ravel().tolist())))
    page.wait_for_selector(".answer")
    (expected,) = runs["describer"].answers([vector], n_best=5)
    assert page.inner_text(".answer") == (expected[0].text or "(an empty answer)")
    assert page.locator("li").count() == 5
    page.fill("textarea", "1, 2")
    page.locator(".error", has_text="8 channels").wait_for()


def test_a_class_and_a_tag_are_those_of_predict(page: Any, address: str, runs: dict[str, Run]) -> None:
    _open(page, address, "classify")
    page.fill("textarea", "a good day")
    page.wait_for_selector(".bars")
    assert page.locator(".bars .name").nth(0).inner_text() == runs["classifier"].predict(["a good day"])[0]
    page.click("nav button:text-is('Tag')")
    page.fill("textarea", "the cat sat")
    page.wait_for_selector(".tagged")
    tags = [line.split("\t")[1] for line in runs["tagger"].predict(["the cat sat"])[0].splitlines() if line]
    assert page.locator(".tagged small").all_inner_texts() == tags


def test_a_forecast_is_drawn(page: Any, address: str) -> None:
    _open(page, address, "forecast")
    page.fill("textarea", ", ".join(str(10 + i % 12) for i in range(120)))
    page.wait_for_selector("svg path")
    page.click("summary")
    values = [float(10 + i % 12) for i in range(120)]
    steps = httpx.post(f"{address}/v1/forecast", json={"values": values, "horizon": 12}).json()["results"][0]
    # The page first shows its example; the numbers stay open when the answer to these values arrives.
    shown = "Number(document.querySelector('details[open] tr:nth-child(2) td:nth-child(2)')?.textContent)"
    page.wait_for_function(f"mean => Math.abs({shown} - mean) <= 1e-3 * Math.abs(mean)", arg=steps[0]["mean"])


def test_words_and_memory_are_shown(page: Any, address: str, runs: dict[str, Run]) -> None:
    from seqloom.run.embeddings import Vectors

    vectors = Vectors.open(runs["words"].folder)
    _open(page, address, "words")
    page.fill("input[aria-label=word]", vectors.words[5])
    page.wait_for_selector(".bars")
    assert page.locator(".bars .name").nth(0).inner_text() == vectors.similar(vectors.words[5], 1)[0].word
    for name in ("man", "king", "woman"):
        page.fill(f"input[aria-label={name}]", vectors.words[6])
    page.wait_for_timeout(500)
    page.click("nav button:text-is('Memory')")
    page.wait_for_selector("canvas")


def test_a_recording_is_heard(page: Any, address: str, runs: dict[str, Run]) -> None:
    recording = next(iter(runs["listener"].inputs(runs["listener"].plan.sources.data)))
    _open(page, address, "listen")
    page.set_input_files("input[type=file]", {"name": "a.wav", "mimeType": "audio/wav", "buffer": recording.read()})
    page.wait_for_selector(".answer")
    expected = runs["listener"].predict([recording])[0]
    assert page.inner_text(".answer").strip() == (expected or "(nothing is said)")


def test_a_recording_is_made(
    tmp_path: Path, chromium: Any, address: str, runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chromium takes a file for the microphone; what is transcribed is what the page recorded and sent."""
    recording = next(iter(runs["listener"].inputs(runs["listener"].plan.sources.data)))
    (tmp_path / "spoken.wav").write_bytes(recording.read())
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += [f"--use-file-for-fake-audio-capture={tmp_path / 'spoken.wav'}", "--no-sandbox"]
    browser = chromium.launch(executable_path=CHROMIUM, args=flags)
    page = browser.new_page()
    _open(page, address, "listen")
    page.click("button:text-is('Record')")
    page.wait_for_timeout(1_500)
    heard: list[bytes] = []
    transcribe = HostedRun.answers
    monkeypatch.setattr(HostedRun, "answers", lambda self, inputs, options: (
        heard.extend(inputs), transcribe(self, inputs, options))[1])  # fmt: skip
    page.click("button:text-is('Stop and transcribe')")
    page.wait_for_selector(".answer")
    shown, (content,) = page.inner_text(".answer").strip(), heard
    browser.close()
    with wave.open(io.BytesIO(content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        assert 0.5 < sound.getnframes() / sound.getframerate() < 10
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert np.abs(samples).max() > 1_000
    headers = {"content-type": "audio/wav"}
    (expected,) = httpx.post(f"{address}/v1/transcribe", content=content, headers=headers).json()["results"]
    assert shown == (expected["text"] or "(nothing is said)")


def test_an_error_is_said(browser: Any, address: str) -> None:
    page = browser.new_page()
    _open(page, address, "words")
    page.fill("input[aria-label=word]", "zzzzzz")
    page.locator(".error", has_text="zzzzzz").wait_for()
    page.close()
