"""The cache holds what was read, of the content that was read, or it is made anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqloom.data.corpus import Corpus, Sources, encode, prepare
from seqloom.data.input_source import rereadable
from seqloom.data.labelled import labelled_recipe
from seqloom.data.pairs import PairTokenizerSettings, pair_recipe
from seqloom.data.readers import readers
from seqloom.data.readers.tagged import tagged
from seqloom.data.tag_recipe import tag_recipe
from seqloom.data.text_codec import text_recipe
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import SeqloomError, SeqloomWarning
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import write_pairs
from tests.support.sentences import write_sentences

WORDS = TokenizerSettings(min_count=1)
KINDS: dict[str, tuple[Callable[[Path], str], Callable[[], object]]] = {
    "text": (write_pairs, lambda: text_recipe(readers["lines"], WORDS)),
    "labelled": (write_labelled, lambda: labelled_recipe(readers["labelled"], WORDS)),
    "series": (write_series, lambda: labelled_recipe(readers["labelled"], WORDS)),
    "pairs": (write_pairs, lambda: pair_recipe(readers["pairs"], PairTokenizerSettings(min_count=1))),
    "tagged": (write_sentences, lambda: tag_recipe(tagged, VocabularySettings(), "auto")),
}


def content(corpus: Corpus) -> list[list[int]]:
    parts = [part for part in (corpus.train, corpus.valid, corpus.test) if part is not None]
    numbers = [getattr(part, "sources", getattr(part, "target", part)) for part in parts]
    return [[row.tolist() for row in stored.rows(range(stored.num_lines))] for stored in numbers]


def files(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_every_damaged_file_is_made_anew(tmp_path: Path, kind: str) -> None:
    """As it was before, with a warning: cut to half, one byte changed, emptied, removed."""
    write, recipe = KINDS[kind]
    path, cache = write(tmp_path / ("data.ts" if kind == "series" else "data")), tmp_path / "cache"
    expected = content(prepare(Sources(path), recipe(), cache))
    for number, file in enumerate(files(cache)):
        good = file.read_bytes()
        bad = [good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1] if good else []), b"", None][number % 4]
        if bad == good:
            continue
        file.unlink() if bad is None else file.write_bytes(bad)
        with pytest.warns(SeqloomWarning, match="damaged, and is made anew"):
            assert content(prepare(Sources(path), recipe(), cache)) == expected
        assert file.read_bytes() == good or file.name == "manifest.json"


def text_of(cache: Path, path: str, read: Callable[[str], Iterator[str]] = readers["lines"]) -> Corpus:
    return prepare(Sources(path), text_recipe(read, WORDS), cache)


def test_content_that_changes_while_it_is_read_is_not_published(text_file: Path, tmp_path: Path) -> None:
    """Under the hash that the file had before there would be numbers of another content."""
    cache, before = tmp_path / "cache", text_file.read_text()

    def changing(path: str) -> Iterator[str]:
        text_file.write_text(before.replace("cat", "cow"))
        yield from readers["lines"](path)

    with pytest.raises(SeqloomError, match="changed while it was read") as caught:
        text_of(cache, str(text_file), changing)
    assert caught.value.where == str(text_file)
    assert not files(cache)
    text_file.write_text(before)
    assert "cow" not in text_of(cache, str(text_file)).codec.tokenizer.tokens()


def test_a_pipe_is_read_once_and_its_content_is_what_counts(text_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    corpus = text_of(cache, str(text_file))
    expected = encode(str(text_file), text_recipe(readers["lines"], WORDS), corpus.codec, cache)
    for _ in range(2):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda to=pipe: to.write_bytes(text_file.read_bytes()))
        writer.start()
        data = encode(str(pipe), text_recipe(readers["lines"], WORDS), corpus.codec, cache)
        writer.join()
        pipe.unlink()
        assert data.ids.tolist() == expected.ids.tolist()


def test_the_copy_of_a_pipe_has_its_format(tmp_path: Path) -> None:
    pipe = tmp_path / "series.csv.gz"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"1,2"))
    writer.start()
    assert rereadable(str(pipe), tmp_path / "cache").endswith(".csv.gz")
    writer.join()


def test_a_process_substitution_has_no_name_to_go_by(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"a line\n")
    os.close(write)
    copy = rereadable(f"/dev/fd/{read}", tmp_path / "cache")
    os.close(read)
    assert Path(copy).read_text() == "a line\n"
