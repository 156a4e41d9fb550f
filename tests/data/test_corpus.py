"""From files to token files: splits by content alone, everything cached, and what a file can have wrong is said."""

from __future__ import annotations

import gzip
import io
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqloom.data.corpus import Corpus, Sources, clear, encode, prepare
from seqloom.data.readers import readers
from seqloom.data.text_codec import text_recipe
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.errors import RequestError, SeqloomError

WORDS = TokenizerSettings(kind="word", min_count=1)


class CountingReader:
    """The `lines` reader, and how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: str) -> Iterator[str]:
        self.calls += 1
        return readers["lines"](path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def read() -> CountingReader:
    return CountingReader()


def lines_of(tokens: TokenFile, corpus: Corpus) -> list[str]:
    pairs = zip(tokens.offsets, tokens.offsets[1:], strict=False)
    return [corpus.codec.tokenizer.decode(tokens.ids[a:b].tolist()) for a, b in pairs]


def splits(corpus: Corpus) -> list[TokenFile]:
    return [part for part in (corpus.train, corpus.valid, corpus.test) if part is not None]


def prepare_words(path: Path | str, cache: Path, **more: str) -> Corpus:
    return prepare(Sources(str(path), **more), text_recipe(readers["lines"], WORDS), cache)


class TestSplits:
    @pytest.mark.parametrize(
        ("sources", "held_out"),
        [
            (Sources("d"), {"valid": 0.05, "test": 0.05}),
            (Sources("d", valid="v"), {}),
            (Sources("d", valid="v", fold=1, folds=4), {"test": 0.25}),
            (Sources("d", fold=2, folds=5), {"valid": 0.05, "test": 0.2}),
            (Sources("d", test="t"), {"valid": 0.05}),
            (Sources("d", valid="v", test="t"), {}),
        ],
    )
    def test_what_is_given_is_not_held_out(self, sources: Sources, held_out: dict[str, float]) -> None:
        assert sources.shares() == held_out

    def test_every_line_is_in_one_split_and_equal_lines_in_the_same(
        self, tmp_path: Path, lines: list[str], cache: Path
    ) -> None:
        path = tmp_path / "text.txt"
        path.write_text("\n".join(lines * 2), encoding="utf-8")
        corpus = prepare_words(path, cache)
        parts = [lines_of(part, corpus) for part in splits(corpus)]
        assert sum(map(len, parts)) == 2 * len(lines)
        assert set(Counter(parts[0]).values()) == {2}
        assert set(parts[0]) <= set(lines)
        assert not set(parts[0]) & set(parts[1])
        assert sum(part.num_bytes for part in splits(corpus)) == sum(len(line) + 1 for line in lines) * 2

    def test_the_vocabulary_comes_from_the_training_text_alone(
        self, text_file: Path, tmp_path: Path, cache: Path
    ) -> None:
        other = tmp_path / "valid.txt"
        other.write_text("zebra the\n")
        corpus = prepare_words(text_file, cache, valid=str(other))
        assert "zebra" not in corpus.codec.tokenizer.tokens()
        assert corpus.valid.num_unknown == 1
        assert corpus.test is None


class TestCaching:
    def test_a_second_time_reads_nothing(self, text_file: Path, cache: Path, read: CountingReader) -> None:
        first = prepare(Sources(str(text_file)), text_recipe(read, WORDS), cache)
        calls = read.calls
        second = prepare(Sources(str(text_file)), text_recipe(read, WORDS), cache)
        assert read.calls == calls > 0
        assert second.codec.tokenizer.tokens() == first.codec.tokenizer.tokens()
        assert [part.ids.tolist() for part in splits(second)] == [part.ids.tolist() for part in splits(first)]

    def test_a_copy_of_the_file_reads_nothing(self, text_file: Path, cache: Path, read: CountingReader) -> None:
        prepare(Sources(str(text_file)), text_recipe(read, WORDS), cache)
        calls = read.calls
        copy = text_file.with_name("copy.txt")
        copy.write_bytes(text_file.read_bytes())
        prepare(Sources(str(copy)), text_recipe(read, WORDS), cache)
        assert read.calls == calls

    @pytest.mark.parametrize("change", ["settings", "content", "shares", "cleared"])
    def test_what_it_depends_on_does(self, text_file: Path, cache: Path, read: CountingReader, change: str) -> None:
        prepare(Sources(str(text_file)), text_recipe(read, WORDS), cache)
        calls, tokenizer, valid = read.calls, WORDS, None
        if change == "settings":
            tokenizer = WORDS.model_copy(update={"lowercase": True})
        elif change == "content":
            text_file.write_text(text_file.read_text() + "one more\n")
        elif change == "shares":
            valid = str(text_file)
        else:
            clear(cache)
        prepare(Sources(str(text_file), valid=valid), text_recipe(read, tokenizer), cache)
        assert read.calls > calls

    def test_another_file_is_cached_by_content_and_tokenizer(
        self, text_file: Path, cache: Path, read: CountingReader
    ) -> None:
        corpus = prepare(Sources(str(text_file)), text_recipe(read, WORDS), cache)
        first = encode(str(text_file), text_recipe(read, WORDS), corpus.codec, cache)
        calls = read.calls
        assert encode(str(text_file), text_recipe(read, WORDS), corpus.codec, cache).ids.tolist() == first.ids.tolist()
        assert read.calls == calls

    def test_an_interrupted_reading_leaves_no_half_file(self, text_file: Path, cache: Path) -> None:
        """And the next time begins again."""
        calls = 0

        def breaks(path: str) -> Iterator[str]:
            nonlocal calls
            calls += 1
            for number, line in enumerate(readers["lines"](path)):
                if calls > 2 and number == 50:
                    raise KeyboardInterrupt
                yield line

        with pytest.raises(KeyboardInterrupt):
            prepare(Sources(str(text_file)), text_recipe(breaks, WORDS), cache)
        assert sorted(path.name for path in cache.glob("*/*")) == ["manifest.json", "splits.json", "tokenizer.json"]
        assert len(prepare_words(text_file, cache).train)


class TestForms:
    @pytest.mark.parametrize("form", ["gz", "xz", "stdin", "crlf", "bom", "blank lines"])
    def test_every_form_of_a_text_is_that_text(
        self, text_file: Path, cache: Path, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected, content = prepare_words(text_file, cache), text_file.read_bytes()
        path: Path | str = text_file.with_name(f"other.{form}")
        if form == "stdin":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
            path = "-"
        else:
            forms: dict[str, Callable[[bytes], bytes]] = {
                "gz": gzip.compress,
                "xz": lzma.compress,
                "crlf": lambda text: text.replace(b"\n", b"\r\n"),
                "bom": lambda text: b"\xef\xbb\xbf" + text,
                "blank lines": lambda text: text.replace(b"\n", b"\n \n\n"),
            }
            Path(path).write_bytes(forms[form](content))
        found = prepare_words(path, cache)
        assert [part.ids.tolist() for part in splits(found)] == [part.ids.tolist() for part in splits(expected)]
        assert found.codec.fingerprint() == expected.codec.fingerprint()


class TestWhatCanBeWrong:
    def error(self, path: Path | str, cache: Path, **more: str) -> SeqloomError:
        with pytest.raises(SeqloomError) as caught:
            prepare_words(path, cache, **more)
        return caught.value

    def test_broken_utf8(self, text_file: Path, cache: Path) -> None:
        text_file.write_bytes(b"first\nsecond\nna\xefve\nfourth\n")
        error = self.error(text_file, cache)
        assert error.where == f"{text_file}:3"
        assert "0xef at column 3" in str(error)
        assert "iconv" in str(error)

    @pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("xz", lzma.compress)])
    @pytest.mark.parametrize("damage", ["cut", "changed", "not compressed"])
    def test_broken_compression(
        self, text_file: Path, cache: Path, suffix: str, compress: Callable[[bytes], bytes], damage: str
    ) -> None:
        content = compress(text_file.read_bytes())
        broken = {
            "cut": content[: len(content) // 2],
            "changed": content[:200] + bytes(20) + content[220:],
            "not compressed": text_file.read_bytes(),
        }
        path = text_file.with_name(f"broken.{suffix}")
        path.write_bytes(broken[damage])
        error = self.error(path, cache)
        assert error.what == "the compressed file is broken"
        assert str(path) in str(error.where)
        assert error.exit_status == 1

    @pytest.mark.parametrize("content", ["", "\n \n\n"])
    def test_an_empty_file(self, text_file: Path, cache: Path, content: str) -> None:
        text_file.write_text(content)
        error = self.error(text_file, cache)
        assert "no text" in error.what
        assert error.where == str(text_file)

    def test_too_few_lines_to_hold_some_out(self, text_file: Path, cache: Path) -> None:
        text_file.write_text("".join(f"line {number % 9}\n" for number in range(9)))
        error = self.error(text_file, cache)
        assert error.what == "there are too few examples to hold some out"
        assert error.where == str(text_file)
        assert "--valid" in str(error.hint)

    def test_an_empty_file_to_validate_on(self, text_file: Path, tmp_path: Path, cache: Path) -> None:
        (tmp_path / "valid.txt").touch()
        error = self.error(text_file, cache, valid=str(tmp_path / "valid.txt"))
        assert error.what == "there is no line to validate on"
        assert error.where == str(tmp_path / "valid.txt")

    def test_a_missing_file(self, tmp_path: Path, cache: Path) -> None:
        error = self.error(tmp_path / "missing.txt", cache)
        assert isinstance(error, RequestError)
        assert (error.what, error.where) == ("the file does not exist", str(tmp_path / "missing.txt"))

    def test_a_file_under_a_file(self, text_file: Path, cache: Path) -> None:
        assert self.error(text_file / "x", cache).what == "the file does not exist"

    def test_a_folder(self, tmp_path: Path, cache: Path) -> None:
        assert self.error(tmp_path, cache).what == "the folder holds no data files"

    def test_a_file_where_the_cache_is_wanted(self, text_file: Path, tmp_path: Path) -> None:
        (tmp_path / "occupied").touch()
        assert self.error(text_file, tmp_path / "occupied").what == "there is a file where a folder should be"
