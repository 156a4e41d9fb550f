"""Web pages of exported models open from disk, ask for nothing, and answer with the same tokens as Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from tests.contract.test_commands import ngram
from tests.support.chromium import CHROMIUM, Chromium
from tests.support.labelled import train_labelled, write_series
from tests.support.pairs import train_pairs
from tests.support.sentences import train_tagger, write_sentences_with_kinds
from tests.support.small_runs import train_small
from tests.support.targets import write_label_sets, write_numbers

LINES = ["the cat sat", "a b c", "w1  <sos> w3 <pad>", "Ada Stone went to Paris 12 times .", "don't, the CAT's é ñ 😀!"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def page_of(run: seqloom.Run, folder: Path, browser: Chromium, **options: Any) -> Path:
    page = folder / "page.html"
    exporters["web"](run, page, ExportOptions(**options))
    assert page.stat().st_size < 30_000_000
    browser.requests.clear()
    browser.open(page)
    return page


def answer(browser: Chromium, text: str, options: str = "{}") -> Any:
    return browser.evaluate(f"window.answer({json.dumps(text)}, {options})")


def asked_for_nothing(browser: Chromium, page: Path) -> bool:
    """Beside the page itself, and what it holds."""
    own = (page.absolute().as_uri(), "blob:", "data:")
    return all(request.startswith(own) for request in browser.requests)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "lstm"},
        {"model": "transformer", "data__mode": "lines", "model__window": 0},
        {"model": "gru", "tokenizer__kind": "character"},
        {"model": "lstm", "tokenizer__kind": "bpe", "tokenizer__vocab_size": 300},
        {"model": "lstm", "tokenizer__kind": "unigram", "tokenizer__vocab_size": 270},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_language_models(settings: dict[str, Any], browser: Chromium, tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=4, **settings)
    page = page_of(run, tmp_path, browser)
    for prompt in ("", *LINES):
        if prompt:
            tokens = browser.evaluate(f"new Tokenizer(page.json('tokenizer.json')).encode({json.dumps(prompt)})")
            assert tokens == run.codec.tokenizer.encode([prompt])[0]
        expected = "".join(run.generate(prompt, max_tokens=8, temperature=0.0))
        assert answer(browser, prompt, "{count: 8}")["text"].strip() == (prompt + expected).strip()
    assert asked_for_nothing(browser, page)


@pytest.mark.parametrize("model", ["lstm+attention", "transformer", "gru"])
def test_translators(model: str, browser: Chromium, tmp_path: Path) -> None:
    run = train_pairs(tmp_path / "run", model=model, updates=6)
    page = page_of(run, tmp_path, browser)
    got = [answer(browser, line)["text"] for line in LINES]
    assert got == run.predict(LINES, beam_size=1)
    assert asked_for_nothing(browser, page)


def test_classifiers(browser: Chromium, tmp_path: Path) -> None:
    """By the function, and by the form."""
    run = train_labelled(tmp_path / "run", updates=4)
    page = page_of(run, tmp_path, browser)
    assert [answer(browser, line)["text"] for line in LINES] == run.predict(LINES)
    browser.evaluate("opened")
    shown = browser.evaluate(
        "input.value = 'the cat sat'; document.getElementById('form').requestSubmit();"
        "new Promise((resolve) => { const wait = () => note.textContent.includes('Answered in')"
        " ? resolve(output.querySelector('td').textContent) : setTimeout(wait, 20); wait(); })"
    )
    assert shown == run.predict(["the cat sat"])[0]
    assert asked_for_nothing(browser, page)


@pytest.mark.parametrize("target", ["labels", "number"])
def test_classifiers_of_label_sets_and_with_a_number(target: str, browser: Chromium, tmp_path: Path) -> None:
    data = (write_label_sets if target == "labels" else write_numbers)(tmp_path / "data.tsv")
    run = train_labelled(tmp_path / "run", updates=20, data=data, target=target)
    page_of(run, tmp_path, browser)
    lines = ["more more the less 5", "great awful the cat", "is it so a"]
    got = [answer(browser, line)["text"] for line in lines]
    if target == "number":
        assert [float(number) for number in got] == pytest.approx([float(n) for n in run.predict(lines)], rel=1e-4)
    else:
        assert got == run.predict(lines)
        shown = browser.evaluate("[...output.querySelector('table').rows].map((row) => row.cells.length)")
        assert shown == [3] * len(run.codec.labels.names)


def test_classifiers_of_numbers(browser: Chromium, tmp_path: Path) -> None:
    run = train_labelled(tmp_path / "run", updates=2, data=write_series(tmp_path / "series.ts"), embedding__dim=6)
    page_of(run, tmp_path, browser)
    inputs = list(run.inputs(run.plan.sources.data))[:5]
    texts = ["\n".join(",".join(map(str, step)) for step in frames.tolist()) for frames in inputs]
    assert [answer(browser, text)["text"] for text in texts] == run.predict(inputs)


def test_taggers(browser: Chromium, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", updates=6)
    page = page_of(run, tmp_path, browser, int8=True, max_loss=0.9)
    for line in LINES:
        got = answer(browser, line)["text"]
        assert [row.split("\t")[0] for row in got.split("\n")] == line.split()
    assert asked_for_nothing(browser, page)


def test_a_tagger_in_single_precision_says_the_same(browser: Chromium, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", model="lstm", updates=6)
    page_of(run, tmp_path, browser)
    assert [answer(browser, line)["text"] + "\n" for line in LINES] == run.predict(LINES)


def test_a_tagger_of_words_with_features_says_the_same(browser: Chromium, tmp_path: Path) -> None:
    write_sentences_with_kinds(tmp_path / "sentences.conll")
    run = train_tagger(tmp_path / "run", model="lstm", updates=6, data__features=2)
    page_of(run, tmp_path, browser)
    line = "Ada￨name went￨word to￨word Rome￨name a￨b￨new"
    assert [answer(browser, line)["text"] + "\n"] == run.predict([line])
    with pytest.raises(AssertionError, match="word￨feature"):
        answer(browser, "Ada went")


def test_what_has_no_page_is_refused(tmp_path: Path) -> None:
    run = ngram(tmp_path)
    with pytest.raises(RequestError, match="no page"):
        exporters["web"](run, tmp_path / "pages" / "page.html", ExportOptions())
    with pytest.raises(RequestError, match="one file"):
        exporters["web"](run, tmp_path / "pages" / "page", ExportOptions())
    assert not (tmp_path / "pages").exists()
