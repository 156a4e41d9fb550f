"""Labelled data: splits, labels, cuts, scales and batches; nothing lost on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.corpus import Corpus, Sources, encode, prepare
from seqloom.data.example import Labelled
from seqloom.data.frames import FrameCodec, FrameFile
from seqloom.data.labelled import LabelledCodec, LabelledData, along, labelled_recipe
from seqloom.data.labelled_loader import LabelledLoader
from seqloom.data.labels import UNSEEN
from seqloom.data.readers import readers
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, TokenizerSettings
from seqloom.data.truncation import Part, Truncation
from seqloom.errors import RequestError, SeqloomError
from tests.support.labelled import write_labelled, write_series

RECIPE = labelled_recipe(readers["labelled"], TokenizerSettings(min_count=1))


def prepared(path: str, cache: Path) -> Corpus[Labelled, LabelledData]:
    return prepare(Sources(path), RECIPE, cache)


def codec_of(corpus: Corpus[Labelled, LabelledData]) -> LabelledCodec:
    assert isinstance(corpus.codec, LabelledCodec)
    return corpus.codec


def test_the_splits_are_all_examples_and_equal_texts_stay_together(tmp_path: Path) -> None:
    path = tmp_path / "examples.tsv"
    path.write_text("".join(f"{'ab'[i % 2]}\ttext {i % 100}\n" for i in range(300)))
    corpus = prepared(str(path), tmp_path / "cache")
    assert corpus.test is not None
    parts = [[(p.labels[i], p.shown(i)) for i in range(len(p))] for p in (corpus.train, corpus.valid, corpus.test)]
    read = [(x.label, x.source) for x in readers["labelled"](str(path))]
    assert sorted(pair for part in parts for pair in part) == sorted(read)
    texts = [{text for _, text in part} for part in parts]
    assert not texts[0] & texts[1]
    assert not (texts[0] | texts[1]) & texts[2]


def test_ids_are_the_text_and_its_label(tmp_path: Path) -> None:
    corpus = prepared(write_labelled(tmp_path / "examples.tsv"), tmp_path / "cache")
    train, codec = corpus.train, codec_of(corpus)
    assert isinstance(train.sources, TokenFile)
    assert codec.tokenizer is not None
    for number, row in enumerate(train.sources.rows(range(len(train)))):
        assert row[-1] == EOS
        assert codec.tokenizer.decode(row.tolist()) == train.shown(number)
        assert codec.labels.names[train.class_ids[number]] == train.labels[number]
    assert train.lengths.sum() == len(train.sources)


def test_numbers_are_scaled_by_the_training_data(tmp_path: Path) -> None:
    path = write_series(tmp_path / "series.ts")
    corpus = prepared(path, tmp_path / "cache")
    codec = codec_of(corpus)
    assert isinstance(corpus.train.sources, FrameFile)
    values = np.array(corpus.train.sources.values)
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(0), 1, atol=1e-5)
    first = next(readers["labelled"](path)).source
    (row,) = codec.rows([first], by_steps=False)
    scales = codec.sources
    assert isinstance(scales, FrameCodec)
    np.testing.assert_allclose(row * np.array(scales.deviation) + np.array(scales.mean), first, atol=1e-5)


@pytest.mark.parametrize("write", [write_labelled, write_series])
def test_a_codec_is_what_was_saved(tmp_path: Path, write: object) -> None:
    name = "examples.ts" if write is write_series else "examples.tsv"
    codec = codec_of(prepared(write(tmp_path / name), tmp_path / "cache"))  # type: ignore[operator]
    (tmp_path / "saved").mkdir()
    codec.save(tmp_path / "saved")
    loaded = LabelledCodec.load(tmp_path / "saved")
    assert loaded.fingerprint() == codec.fingerprint()
    assert loaded.facts() == codec.facts()


def test_labels_that_training_has_not_are_unseen_and_do_not_count(tmp_path: Path) -> None:
    corpus = prepared(write_labelled(tmp_path / "examples.tsv"), tmp_path / "cache")
    other = tmp_path / "other.tsv"
    other.write_text("animal\ta cat\nplanet\tmars\n")
    data = encode(str(other), RECIPE, corpus.codec, tmp_path / "cache")
    assert data.class_ids.tolist() == [0, UNSEEN]
    batch = LabelledLoader(data, Truncation(), 100, 8, None).batch(0, 0)
    assert batch.scored is not None
    assert batch.scored[:, 0].tolist() == (batch.targets[:, 0] != UNSEEN).tolist()


def test_what_is_read_must_fit_the_model(tmp_path: Path) -> None:
    texts = codec_of(prepared(write_labelled(tmp_path / "examples.tsv"), tmp_path / "cache"))
    series = codec_of(prepared(write_series(tmp_path / "series.ts"), tmp_path / "cache"))
    with pytest.raises(RequestError, match="the model reads text"):
        texts.rows([np.zeros((3, 2), np.float32)], by_steps=False)
    with pytest.raises(RequestError, match="the model reads sequences of numbers"):
        series.rows(["a text"], by_steps=False)
    with pytest.raises(SeqloomError, match="do not fit"):
        series.rows([np.zeros((3, 5), np.float32)], by_steps=False)


def test_a_vector_with_one_number_more_ends_in_its_label(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{i},{2 * i},{i * i},{i % 2}\n" for i in range(100)))
    for by_steps, shape in ((False, (1, 3)), (True, (3, 1))):
        recipe = labelled_recipe(readers["labelled"], TokenizerSettings(), by_steps)
        codec = codec_of(prepare(Sources(str(path)), recipe, tmp_path / "cache"))
        vector = np.float32([[1, 2, 3]])
        rows = codec.rows([vector, np.float32([[1, 2, 3, 1]]), vector[0]], by_steps)
        assert [row.shape for row in rows] == [shape] * 3
        assert all((row == rows[0]).all() for row in rows)
        assert along(vector).shape == (3, 1)


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1),
    most=st.integers(0, 12),
    part=st.sampled_from(["start", "end", "both"]),
)
def test_a_cut_leaves_what_it_says(lengths: list[int], most: int, part: Part) -> None:
    cut, rows = Truncation(most, part), [np.arange(length) for length in lengths]
    left = [cut(row) for row in rows]
    assert [len(row) for row in left] == cut.lengths(np.array(lengths)).tolist()
    assert sum(len(one) < len(other) for one, other in zip(left, rows, strict=True)) == cut.count(np.array(lengths))
    for one, other in zip(left, rows, strict=True):
        assert (np.diff(one) > 0).all()
        if len(one) < len(other):
            assert (one[0] == 0) == (part != "end")
            assert (one[-1] == len(other) - 1) == (part == "end" or (part == "both" and most > 1))


@pytest.mark.parametrize("write", [write_labelled, write_series])
def test_every_example_once_in_batches_under_both_limits(tmp_path: Path, write: object) -> None:
    name = "examples.ts" if write is write_series else "examples.tsv"
    train = prepared(write(tmp_path / name), tmp_path / "cache").train  # type: ignore[operator]
    cut = Truncation(5, "both")
    loader, found = LabelledLoader(train, cut, 40, 6, seed=1), []
    for step in range(loader.num_steps(3)):
        batch = loader.batch(3, step)
        assert batch.source is not None
        assert batch.num_rows <= 6
        assert batch.source.shape[0] * batch.source.shape[1] <= 40
        lengths = batch.source_lengths.tolist() if batch.source_lengths is not None else [batch.source.shape[1]] * 6
        rows = zip(batch.source.numpy(), lengths, batch.targets[:, 0].tolist(), strict=False)
        found += [(row[:length].tobytes(), target) for row, length, target in rows]
    rows = zip(train.sources.rows(range(len(train))), train.class_ids.tolist(), strict=True)
    kind = np.float32 if write is write_series else np.int64
    assert sorted(found) == sorted((cut(row).astype(kind).tobytes(), target) for row, target in rows)  # type: ignore[type-var]


def test_one_class_alone_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    for text, what in (
        ("".join(f"a\tb{i}\n" for i in range(20)), "no classes to distinguish"),
        ("", "nothing to train on"),
    ):
        path = tmp_path / "examples.tsv"
        path.write_text(text)
        with pytest.raises(SeqloomError, match=what) as refused:
            prepared(str(path), tmp_path / "cache")
        assert refused.value.where == str(path)
