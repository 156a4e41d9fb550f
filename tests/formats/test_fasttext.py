"""fastText's binary files: written and read, equal to gensim's own vectors, broken ones refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import seqloom
from seqloom.formats.fasttext import write_fasttext
from seqloom.formats.vector_sources import dim_of, open_vectors
from seqloom.models.word_vectors.subwords import SubwordSettings, add_ngrams, ngram_buckets
from seqloom.models.word_vectors.table import NGramVectors, VectorTable

WORDS = ["the", "king", "queen", "été", "a", "Straße", "日本語"]
UNSEEN = ["kings", "queenly", "étés", "日本", "zz", "x" * 60]


def table(longest: int = 5, shortest: int = 3, buckets: int = 500, dim: int = 6) -> VectorTable:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(len(WORDS), dim)).astype(np.float32)
    ngrams = rng.normal(size=(buckets, dim)).astype(np.float32)
    settings = SubwordSettings(longest=longest, shortest=shortest, buckets=buckets)
    counts = np.arange(len(WORDS), 0, -1) * 10
    return VectorTable(WORDS, vectors, counts, NGramVectors(ngrams, settings) if longest else None)


@pytest.mark.parametrize("longest", [0, 4])
@pytest.mark.parametrize("name", ["model.bin", "model.bin.gz", "model"])
def test_written_and_read_back(name: str, longest: int, tmp_path: Path) -> None:
    words = table(longest)
    assert write_fasttext(words, tmp_path / "plain") == len(WORDS)
    content = (tmp_path / "plain").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    again = open_vectors(tmp_path / name)
    assert again.words == WORDS
    assert dim_of(str(tmp_path / name)) == 6
    np.testing.assert_allclose(again.matrix, words.matrix, atol=2e-6)
    assert words.counts is not None
    assert again.counts is not None
    np.testing.assert_array_equal(again.counts, words.counts)
    for word in UNSEEN:
        expected = words.find(word)
        composed = again.find(word)
        assert (expected is None) == (composed is None)
        if expected is not None:
            np.testing.assert_array_equal(composed, expected)


@hypothesis.given(
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=12), st.integers(1, 4), st.integers(1, 7)
)
def test_compiled_ngrams_are_those_of_python(word: str, shortest: int, longest: int) -> None:
    settings = SubwordSettings(longest=longest, shortest=shortest, buckets=97)
    rows, total = np.eye(97, dtype=np.float32), np.zeros(97, np.float32)
    count = add_ngrams(np.frombuffer(f"<{word}>".encode(), np.uint8), rows, shortest, longest, total)
    buckets = ngram_buckets(word, settings)
    assert count == len(buckets)
    np.testing.assert_array_equal(total, np.bincount(buckets, minlength=97))


@pytest.mark.parametrize("longest", [0, 6])
def test_gensim_reads_what_we_write(longest: int, tmp_path: Path) -> None:
    fasttext = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
    words = table(longest)
    write_fasttext(words, tmp_path / "model.bin")
    theirs = fasttext.load_facebook_vectors(str(tmp_path / "model.bin"))
    for word in [*WORDS, *(UNSEEN if longest else [])]:
        np.testing.assert_allclose(theirs[word], words.find(word), atol=2e-6, err_msg=word)


def test_we_read_what_gensim_writes(tmp_path: Path) -> None:
    fasttext = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
    lines = [["the", "king", "and", "the", "queen"], ["été", "à", "la", "plage"], ["kings", "of", "the", "sea"]] * 20
    model = fasttext.FastText(lines, vector_size=10, min_count=1, bucket=300, min_n=2, max_n=5, epochs=2, workers=1)
    fasttext.save_facebook_model(model, str(tmp_path / "model.bin"))
    ours = open_vectors(tmp_path / "model.bin")
    assert ours.words == model.wv.index_to_key
    for word in [*ours.words, "queens", "été\u0301", "seaking"]:
        np.testing.assert_allclose(ours.find(word), model.wv[word], atol=1e-6, err_msg=word)


def test_some_of_the_words(tmp_path: Path) -> None:
    write_fasttext(table(), tmp_path / "model.bin")
    assert seqloom.Vectors.open(tmp_path / "model.bin", first=2).words == ["the", "king"]
    only = seqloom.Vectors.open(tmp_path / "model.bin", only=["queen", "the"])
    assert only.words == ["the", "queen"]
    assert only.counts is not None
    assert only.counts.tolist() == [70, 50]


def test_cut_off_anywhere_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    write_fasttext(table(buckets=20), path)
    whole = path.read_bytes()
    needed = len(whole) - 17 - 4 * 6 * len(WORDS)  # the output vectors are not read
    for size in range(4, needed, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(seqloom.SeqloomError):
            open_vectors(path)


edits_of_bytes = st.lists(st.tuples(st.integers(4, 400), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@hypothesis.given(edits=edits_of_bytes)
@hypothesis.settings(max_examples=200)
def test_any_damage_is_an_error_or_finite_vectors(
    edits: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    write_fasttext(table(buckets=20), path)
    content = bytearray(path.read_bytes())
    for place, new in edits:
        content[place : place + len(new)] = new
    path.write_bytes(content)
    try:
        opened = open_vectors(path)
    except seqloom.SeqloomError:
        return
    assert np.isfinite(opened.matrix).all()
    opened.find("unseen")
