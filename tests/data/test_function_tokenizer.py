"""A function in Python as a tokenizer: runs name it, and whoever uses a run has to import it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

import seqloom
from seqloom.config import build
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.errors import RequestError
from seqloom.export.options import ExportOptions
from seqloom.export.shipped_folder import first_facts
from tests.support.small_runs import train_small

MODULE = """
import re

import seqloom


@seqloom.tokenizer
def letters_and_digits(text):
    return re.findall(r"[a-z]+|[0-9]+|\\\\s+", text)


@seqloom.tokenizer
def phrases(text):
    return text.split("|")


@seqloom.tokenizer
def fails(text):
    raise LookupError(text)


@seqloom.tokenizer
def one_string(text):
    return text


def unmarked(text):
    return text.split()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of a user."""
    (tmp_path / "own_tokens.py").write_text(MODULE.replace("\\\\", "\\"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_tokens", raising=False)
    module = importlib.import_module("own_tokens")
    monkeypatch.setitem(sys.modules, "own_tokens", module)
    return module


def settings_for(function: object) -> TokenizerSettings:
    return build(TokenizerSettings, {"function": function, "min_count": 1})


def test_texts_are_divided_by_the_function(own: ModuleType) -> None:
    tokenizer = train_tokenizer(["w12 w7", "12w"], settings_for(own.letters_and_digits))
    assert tokenizer.tokens()[4:] == ["w", "12", "7"]
    assert [tokenizer.token(i) for i in tokenizer.encode(["w12w 99"])[0]] == ["w", "12", "w", "<unk>"]
    assert tokenizer.decode(tokenizer.encode(["12w"])[0]) == "12 w"
    phrases = train_tokenizer(["New York| |is big"], settings_for(own.phrases))
    assert sorted(phrases.tokens()[4:]) == ["New▁York", "is▁big"]


def test_a_run_names_the_function(own: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"tokenizer__function": own.letters_and_digits}
    run = train_small(tmp_path / "run", updates=4, **options)
    assert run.plan.settings.tokenizer.function == "own_tokens:letters_and_digits"  # type: ignore[attr-defined]
    scores = run.score(["w1 w2 w3"])
    assert seqloom.load(run.folder).score(["w1 w2 w3"]) == scores
    assert train_small(tmp_path / "run", updates=4, resume=True, **options).score(["w1 w2 w3"]) == scores
    with pytest.raises(RequestError, match="cannot be exported"):
        first_facts(run, ExportOptions())
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "own_tokens")
        with pytest.raises(RequestError, match="import own_tokens first"):
            seqloom.load(run.folder)
        patch.setenv("SEQLOOM_TOKENIZERS", "other,own_tokens")
        assert seqloom.load(run.folder).score(["w1 w2 w3"]) == scores


def test_another_task_begins_with_the_function(own: ModuleType, tmp_path: Path) -> None:
    language_model = train_small(tmp_path / "model", updates=1, tokenizer__function=own.letters_and_digits)
    data = tmp_path / "labelled.tsv"
    data.write_text("".join(f"{'ab'[i % 2]}\tw{i % 7} w{i % 5}\n" for i in range(80)))
    run = seqloom.train(
        "classify", str(data), model="lstm", initialise_from=language_model, updates=1, out=tmp_path / "run", quiet=True
    )
    assert run.codec.tokenizer.tokens()[: language_model.codec.tokenizer.vocab_size] == (
        language_model.codec.tokenizer.tokens()
    )
    assert run.predict(["w1 w9"])[0] in "ab"


@pytest.mark.parametrize(
    ("name", "message"), [("fails", "LookupError"), ("one_string", "a list of strings"), ("unmarked", "not marked")]
)
def test_functions_that_are_refused(own: ModuleType, name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        train_tokenizer(["a b"], settings_for(getattr(own, name)))


def test_functions_that_no_run_can_name(own: ModuleType) -> None:
    @seqloom.tokenizer
    def inner(text: str) -> list[str]:
        return text.split()

    with pytest.raises(RequestError, match="cannot be marked"):
        seqloom.tokenizer(str.split)
    for function in (inner, seqloom.tokenizer(lambda text: text.split())):
        with pytest.raises(RequestError, match="a run cannot name this function"):
            settings_for(function)
    other = seqloom.tokenizer(type(own.phrases)(own.fails.__code__, {}, "phrases"))
    other.__module__, other.__qualname__ = "own_tokens", "phrases"
    with pytest.raises(RequestError, match="another function has this name"):
        settings_for(other)


@pytest.mark.parametrize("path", ["os:system", "subprocess:run", "os", ":x", "no_such_module:words", "json:nothing"])
def test_a_run_from_elsewhere_calls_no_function_without_the_mark(path: str, tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=1)
    file = run.folder / "tokenizer.json"
    description = json.loads(file.read_text())
    description["pre_tokenizer"] = {"type": "Function", "function": path}
    file.write_text(json.dumps(description))
    with pytest.raises(RequestError, match=r"tokenizer\.function"):
        seqloom.load(run.folder)


def test_word_vectors_of_its_tokens(own: ModuleType, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"w1w2 w{'1' * (i % 20)}3\n" for i in range(200)))
    run = seqloom.train(
        "vectors", str(text), model="cbow", epochs=1, out=tmp_path / "run", quiet=True, threads=1,
        settings={"tokenizer.function": own.letters_and_digits, "tokenizer.min_count": 1, "dim": 4},
    )  # fmt: skip
    assert {"1", "2", "3", "w", "113"} <= set(run.codec.tokenizer.tokens())
