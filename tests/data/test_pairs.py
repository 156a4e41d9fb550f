"""Pairs: what a line must be, which vocabulary each side gets, equal sources on one side of a split."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.corpus import Corpus, Sources, encode, prepare
from seqloom.data.pairs import (
    PairCodec,
    PairLoader,
    Pairs,
    PairTokenizerSettings,
    kind_for,
    learn_tokenizers,
    pair_recipe,
)
from seqloom.data.readers import readers
from seqloom.data.readers.pairs import Pair, parse_pair
from seqloom.data.tokenizer import EOS, SOS
from seqloom.errors import SeqloomError

PAIRS = [Pair(f"the {noun} number {i}", f"das {noun} Nummer {i}") for i in range(120) for noun in ("dog", "cat")]


@pytest.fixture
def pair_file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    return path


def prepared(path: Path, cache: Path, reverse: bool = False, **settings: object) -> Corpus[Pair, Pairs]:
    least = {} if settings.get("kind") == "bpe" else {"min_count": 1}
    recipe = pair_recipe(readers["pairs"], PairTokenizerSettings(**least, **settings), reverse)  # type: ignore[arg-type]
    return prepare(Sources(str(path)), recipe, cache)


def codec_of(corpus: Corpus[Pair, Pairs]) -> PairCodec:
    assert isinstance(corpus.codec, PairCodec)
    return corpus.codec


@pytest.mark.parametrize(
    ("line", "what", "got"),
    [
        ("one column", "two columns", "1 column"),
        ("a\tb\tc", "two columns", "3 columns"),
        ("\tb", "the source is empty", None),
        ("a\t ", "the target is empty", None),
    ],
)
def test_a_line_that_is_no_pair_is_said(tmp_path: Path, line: str, what: str, got: str | None) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(f"good\tgut\n\n{line}\n")
    with pytest.raises(SeqloomError, match=what) as refused:
        list(readers["pairs"](str(path)))
    assert refused.value.where == f"{path}:3"
    assert refused.value.got == got


plain = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), min_size=1).filter(lambda text: text.strip())


@given(source=plain, target=plain)
def test_what_is_written_with_a_tab_is_read(source: str, target: str) -> None:
    assert parse_pair(f"{source}\t{target}", "here") == Pair(source.strip(), target.strip())


def test_the_splits_are_all_pairs_and_equal_sources_stay_together(tmp_path: Path) -> None:
    pairs = [Pair(f"w{i % 100}", f"v{i}") for i in range(300)]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    corpus = prepared(path, tmp_path / "cache")
    assert corpus.test is not None
    parts = [part.pairs for part in (corpus.train, corpus.valid, corpus.test)]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    sources = [{pair.source for pair in part} for part in parts]
    assert not sources[0] & sources[1]
    assert not (sources[0] | sources[1]) & sources[2]


@pytest.mark.parametrize(
    "settings", [{}, {"shared": False}, {"kind": "bpe"}, {"kind": "word", "target_kind": "character"}]
)
def test_ids_are_the_text(pair_file: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    corpus = prepared(pair_file, tmp_path / "cache", **settings)
    codec = codec_of(corpus)
    for side, tokens, tokenizer in (
        (0, corpus.train.source, codec.source),
        (1, corpus.train.target, codec.target),
    ):
        rows = tokens.rows(range(corpus.train.num_lines))
        assert all(row[-1] == EOS for row in rows)
        assert [tokenizer.decode(row.tolist()) for row in rows] == [pair[side] for pair in corpus.train.pairs]


def test_a_codec_is_what_was_saved(pair_file: Path, tmp_path: Path) -> None:
    for number, settings in enumerate(({"shared": True}, {"shared": False})):
        codec = codec_of(prepared(pair_file, tmp_path / "cache", **settings))
        folder = tmp_path / f"saved-{number}"
        folder.mkdir()
        codec.save(folder)
        loaded = PairCodec.load(folder)
        assert loaded.shared == codec.shared == settings["shared"]
        assert loaded.fingerprint() == codec.fingerprint()


def test_reversed_columns(pair_file: Path, tmp_path: Path) -> None:
    forward, backward = (prepared(pair_file, tmp_path / "cache", reverse) for reverse in (False, True))
    assert backward.train.pairs[0].source.startswith("das")
    assert {pair.source for pair in forward.train.pairs} <= {pair.source for pair in PAIRS}


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["a b c", "b a"], "word"),
        (["abc", "cba", "bca"], "character"),
        ([f"word{i} and word{i + 1}" for i in range(2_000)], "bpe"),
    ],
)
def test_the_kind_that_text_suggests(lines: list[str], kind: str) -> None:
    assert kind_for(lines) == kind


def test_ids_rank_by_the_targets() -> None:
    """Frequent targets come first, since the softmax is over them."""
    pairs = [Pair(f"s s s s t{i % 3}", f"t1 t{i % 3} u{i % 5}") for i in range(300)]
    codec = learn_tokenizers(lambda: pairs, PairTokenizerSettings(min_count=1))
    assert codec.shared
    assert codec.source.tokens()[4] == "t1"
    assert codec.source.tokens()[-1] == "s"


def test_another_file_with_the_same_codec(pair_file: Path, tmp_path: Path) -> None:
    recipe = pair_recipe(readers["pairs"], PairTokenizerSettings(min_count=1))
    corpus = prepare(Sources(str(pair_file)), recipe, tmp_path / "cache")
    other = tmp_path / "other.tsv"
    other.write_text("the dog\tdas dog\n")
    data = encode(str(other), recipe, corpus.codec, tmp_path / "cache")
    assert data.pairs == [Pair("the dog", "das dog")]
    assert len(data) == data.num_lines == 1


def test_every_pair_once_in_batches_under_the_budget(pair_file: Path, tmp_path: Path) -> None:
    train = prepared(pair_file, tmp_path / "cache").train
    loader = PairLoader(train.source, train.target, 50, seed=1)
    codec, found = train.codec, []
    for step in range(loader.num_steps(3)):
        batch = loader.batch(3, step)
        assert batch.source is not None
        assert max(batch.source.numel(), batch.targets.numel()) <= 50 or batch.num_rows == 1
        assert batch.inputs[:, 0].eq(SOS).all()
        texts = ((codec.source, batch.source), (codec.target, batch.targets))
        found += zip(*([side.decode(row.tolist()) for row in rows] for side, rows in texts), strict=True)
    assert sorted(found) == sorted(train.pairs)
