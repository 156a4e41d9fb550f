"""Sentences without tags beside the tagged ones: what is read, what a batch has, and what cannot be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.config import flatten
from seqloom.data.batches import Batch
from seqloom.data.labels import UNSEEN
from seqloom.data.numbered_batches import NumberedBatches
from seqloom.data.tag_recipe import raw_file
from seqloom.data.tagged_loader import BesideRawText, TaggedLoader
from seqloom.errors import RequestError, SeqloomError
from seqloom.run import make_settings
from tests.support.sentences import assert_resumes, train_tagger, write_sentences

RAW = ["Grace flew to Vienna .", "", "Then Zed went to Vienna", "Zed walked", "Rome ."] * 3

LANGUAGE_MODEL = {"language_model_weight": 0.3}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.txt"
    path.write_text("\n".join(RAW) + "\n")
    return path


def words_of(batch: Batch) -> Counter[tuple[int, ...]]:
    """The words of each row, by their ids and characters."""
    mask, forms = batch.mask(), batch.forms
    assert forms is not None
    real = torch.ones_like(batch.inputs, dtype=torch.bool) if mask is None else mask
    rows = (batch.inputs[row][real[row]] for row in range(batch.num_rows))
    return Counter(tuple(forms.characters[row].flatten().tolist()) for row in rows)


def test_its_words_belong_to_the_vocabulary(raw: Path, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", updates=1, data__raw=str(raw), **LANGUAGE_MODEL)
    words = run.codec.spelling.words.tokens
    assert {"vienna", "zed"} <= set(words)
    counts = dict(zip(words, run.model.forms.word_counts[4:].tolist(), strict=True))
    assert (counts["vienna"], counts["zed"]) == (6, 6)
    plain = train_tagger(tmp_path / "plain", updates=1)
    assert "zed" not in plain.codec.spelling.words.tokens
    assert run.codec.labels == plain.codec.labels


def test_every_step_has_a_batch_beside_it(raw: Path, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", updates=1, data__raw=str(raw), **LANGUAGE_MODEL)
    tagged, sentences = run.read(str(tmp_path / "sentences.conll")), raw_file(str(raw), run.codec, tmp_path / "cache")
    assert sentences.num_lines == len([line for line in RAW if line])
    beside = TaggedLoader(sentences, 12, seed=3)
    loader = BesideRawText(TaggedLoader(tagged, 200, seed=3), beside)
    alone = TaggedLoader(tagged, 200, seed=3)
    steps = [(epoch, step) for epoch in range(3) for step in range(loader.num_steps(epoch))]
    batches = {place: loader.batch(*place) for place in steps}
    read: Counter[tuple[int, ...]] = Counter()
    for number, (place, batch) in enumerate(batches.items()):
        assert torch.equal(batch.targets, alone.batch(*place).targets)
        assert batch.beside is not None
        assert (batch.beside.targets == UNSEEN).all()
        if number < beside.num_steps(0):
            read += words_of(batch.beside)
    assert read.total() == sentences.num_lines  # each once before one comes again
    again = BesideRawText(TaggedLoader(tagged, 200, seed=3), TaggedLoader(sentences, 12, seed=3))
    for place in reversed(steps):  # whatever was asked for before
        one, other = again.batch(*place).beside, batches[place].beside
        assert one is not None
        assert other is not None
        assert torch.equal(one.inputs, other.inputs)


def test_batches_are_numbered_through_all_epochs(tmp_path: Path, raw: Path) -> None:
    run = train_tagger(tmp_path / "run", updates=1, data__raw=str(raw), **LANGUAGE_MODEL)
    loader = TaggedLoader(raw_file(str(raw), run.codec, tmp_path / "cache"), 12, seed=5)
    numbered, number = NumberedBatches(loader), 0
    for epoch in range(3):
        assert numbered.before(epoch) == number
        for step in range(loader.num_steps(epoch)):
            assert torch.equal(numbered.batch(number).inputs, loader.batch(epoch, step).inputs)
            number += 1
    assert torch.equal(NumberedBatches(loader).batch(0).inputs, loader.batch(0, 0).inputs)


def test_ranks_share_what_is_beside() -> None:
    rows = torch.arange(10).view(5, 2)
    batch = Batch(rows[:1], rows[:1], beside=Batch(rows, rows))
    shards = [batch.shard(rank, 2) for rank in range(2)]
    parts = [shard.beside.inputs for shard in shards if shard.beside is not None]
    assert torch.equal(torch.cat(parts), rows)
    idle = shards[1]
    assert idle.scored is not None
    assert not idle.scored.any()


@pytest.mark.parametrize("layer", ["bilstm", "lstm"])
def test_it_learns_and_answers_without_the_text(layer: str, raw: Path, tmp_path: Path) -> None:
    run = train_tagger(tmp_path / "run", model=layer, updates=150, data__raw=str(raw), **LANGUAGE_MODEL)
    raw.unlink()
    again = seqloom.load(tmp_path / "run", threads=1)
    assert again.predict(["Zed went to Vienna ."]) == run.predict(["Zed went to Vienna ."])
    assert again.evaluate(write_sentences(tmp_path / "other.conll", seed=7))["span_f1"] > 0.8


def test_stopped_and_resumed_is_unbroken(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumes(tmp_path, monkeypatch, data__raw=str(raw), **LANGUAGE_MODEL)


def test_conll_is_read_without_its_tags(tmp_path: Path) -> None:
    raw = write_sentences(tmp_path / "raw.conll", sentences=9, seed=11)
    run = train_tagger(tmp_path / "run", updates=2, data__raw=raw, **LANGUAGE_MODEL)
    assert raw_file(raw, run.codec, tmp_path / "cache").num_lines == 9


@pytest.mark.parametrize(
    ("model", "overrides", "weight"),
    [
        ("bilstm", {}, 0.3),
        ("lstm", {"model.num_layers": 2}, 0.3),
        ("bilstm", {"model.num_layers": 2}, 0.0),
        ("bitransformer", {}, 0.0),
        ("ffnn", {}, 0.0),
        ("ffnn", {"data.raw": "x"}, 0.3),
        ("bilstm", {"data.raw": "x", "language_model_weight": 0.1}, 0.1),
    ],
)
def test_the_layers_that_learn_a_language_model_by_default(
    model: str, overrides: dict[str, Any], weight: float
) -> None:
    assert flatten(make_settings("tag", model, overrides))["language_model_weight"] == weight


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (None, {}, "raw.txt"),
        ("", {}, "no sentence"),
        ("\n \n", {}, "no sentence"),
        ("Ada went .\n", {"language_model_weight": 0.0}, "only a language model learns"),
        (b"\xff\xfe broken \xff\n", {}, "UTF-8"),
    ],
)
def test_text_that_cannot_be_learnt_from(
    content: str | bytes | None, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "raw.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SeqloomError, match=message):
        train_tagger(tmp_path / "run", updates=1, **{"language_model_weight": 0.3, "data__raw": str(path), **settings})
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_standard_input_cannot_be_read_twice(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="several times"):
        train_tagger(tmp_path / "run", updates=1, data__raw="-")


def test_numbers_have_no_raw_text(tmp_path: Path, raw: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("x,tag\n" + "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(90)))
    with pytest.raises(RequestError, match=r"data\.raw"):
        seqloom.train("tag", str(path), updates=1, out=tmp_path / "run", settings={"data.raw": str(raw)})
