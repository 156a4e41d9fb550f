"""Data that is probably not what it is read as: understood, refused, or warned of once, with its line."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seqloom.data.corpus import Sources, prepare
from seqloom.data.readers import readers
from seqloom.data.readers.conll import Sentence, conll
from seqloom.data.readers.tagged import inputs_of, tagged
from seqloom.data.span_tags import legal_transitions
from seqloom.data.text_codec import text_recipe, train_tokenizer
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.errors import SeqloomError, SeqloomWarning
from seqloom.files import read_lines
from seqloom.metrics.spans import span_scores
from seqloom_portable.spans import Span, mark_spans, scheme_of, spans


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def warned(read: Iterator[object]) -> tuple[list[object], str]:
    """What is read, and the one warning."""
    with pytest.warns(SeqloomWarning) as caught:
        found = list(read)
    assert len(caught) == 1
    return found, str(caught[0].message)


class TestComments:
    @pytest.mark.parametrize(
        "comment",
        ["# id 0001\tdomain=en", "# sent_id = 12", "# text: a b", "#begin document (a); part 000", "# one two three"],
    )
    @pytest.mark.parametrize("between", ["\t", " "])
    def test_above_a_sentence_they_are_skipped(self, tmp_path: Path, comment: str, between: str) -> None:
        sentence = f"{comment}\nAda{between}B-PER\nwent{between}O\n"
        path = write(tmp_path / "data.conll", f"{sentence}\n{comment}\n\n{sentence}")
        assert list(conll(path)) == [Sentence(("Ada", "went"), ("B-PER", "O"))] * 2
        assert list(inputs_of(path)) == [("Ada", "went")] * 2

    @pytest.mark.parametrize("first", ["#", "#tag"])
    def test_words_that_begin_alike_are_words(self, tmp_path: Path, first: str) -> None:
        path = write(tmp_path / "data.conll", f"{first} O\ntwo O\n\n{first} B-X\n")
        assert [sentence.words[0] for sentence in conll(path)] == [first, first]

    def test_those_of_conllu_may_hold_tabs(self, tmp_path: Path) -> None:
        path = write(tmp_path / "data.txt", "# text = a\tb\n1\ta\ta\tNOUN\t_\t_\t0\t_\t_\t_\n")
        assert list(tagged(path)) == [Sentence(("a",), ("NOUN",))]


class TestHeaders:
    @pytest.mark.parametrize(
        ("reader", "header", "row"),
        [
            ("labelled", "label\ttext", "good\tfine film"),
            ("labelled", "Class\tBody", "good\tfine film"),
            ("labelled", "label\tfilm review", "good\tfine film"),
            ("pairs", "source\ttarget", "a b\tc d"),
            ("pairs", "en\tde", "a b\tc d"),
            ("rated-pairs", "word 1\tword 2\tScore", "a\tb\t3"),
            ("conll", "token ner_tag", "a B-X"),
        ],
    )
    def test_they_are_skipped_with_a_warning(self, tmp_path: Path, reader: str, header: str, row: str) -> None:
        plain = list(readers[reader](write(tmp_path / "plain", f"{row}\n{row}\n")))
        path = write(tmp_path / "data", f"{header}\n{row}\n{row}\n")
        found, warning = warned(readers[reader](path))
        assert found == plain
        assert f"{path}:1" in warning
        assert "names the columns" in warning

    def test_a_header_says_which_column_is_the_label(self, tmp_path: Path) -> None:
        path = write(tmp_path / "data", "text\tlabel\nfine film\tgood\ndull film\tbad\n")
        found, warning = warned(readers["labelled"](path))
        assert found == [("good", "fine film"), ("bad", "dull film")]
        assert "the second is the label" in warning

    def test_a_label_of_that_name_stays(self, tmp_path: Path) -> None:
        path = write(tmp_path / "data", "class\tphysics at nine\nnews\ta ship sank\nclass\tdrawing at ten\n")
        assert len(list(readers["labelled"](path))) == 3


SCHEMES = {
    "IOB2": "B-PER I-PER O B-LOC",
    "BMES": "B-PER M-PER E-PER O S-LOC",
    "lowercase": "b-per i-per o b-loc",
    "underscores": "B_PER I_PER O B_LOC",
    "suffixes": "PER-B PER-I O LOC-B",
    "suffixes with underscores": "PER_B PER_I O LOC_B",
    "bare": "B I O B",
    "bare BMES": "B M E S",
}


class TestSpanTags:
    @pytest.mark.parametrize("name", SCHEMES)
    def test_schemes_are_understood(self, name: str) -> None:
        tags = SCHEMES[name].split()
        scheme = scheme_of(tags)
        assert scheme is not None
        first = spans(tags, scheme)[0]
        assert (first.start, first.stop) == (0, 3 if "M" in SCHEMES[name] else 2)
        assert first.kind.upper() == ("SPAN" if "bare" in name else "PER")
        assert span_scores([tags], [tags], scheme).f1 == 1
        legal = legal_transitions(tags, np.zeros((len(tags) + 1, len(tags)), np.int64))
        assert legal[0, 1]
        assert not legal[len(tags), 1]  # a span does not begin inside

    @pytest.mark.parametrize("tags", ["NOUN VERB O", "B C", "A-B C-S E", "PER LOC O", "O", "x_i y_i", "S E N"])
    def test_other_tags_mark_none(self, tags: str) -> None:
        assert not mark_spans(tags.split())

    def test_bare_tags_have_a_kind_for_the_reader(self) -> None:
        scheme = scheme_of(["B", "I", "O"])
        assert scheme is not None
        assert spans(["B", "I", "O"], scheme) == [Span("span", 0, 2)]

    @pytest.mark.parametrize("odd", ["OO", "B PER", "X"])
    def test_the_one_that_breaks_a_scheme_is_named(self, tmp_path: Path, odd: str) -> None:
        rows = [f"Ada\tB-PER\nLovelace\tI-PER\nwent\t{odd if number == 100 else 'O'}\n" for number in range(240)]
        path = write(tmp_path / "data.conll", "\n".join(rows))
        _, warning = warned(tagged(path))
        assert f"{path}:403" in warning
        assert repr(odd) in warning
        assert "no CRF" in warning


def text(tmp_path: Path, lines: list[str], **settings: object) -> object:
    path = write(tmp_path / "text.txt", "\n".join(lines) + "\n")
    return prepare(Sources(path), text_recipe(readers["lines"], TokenizerSettings(**settings)), tmp_path / "cache")  # type: ignore[arg-type]


class TestTexts:
    def test_most_words_unknown(self, tmp_path: Path) -> None:
        """As those of a language without whitespace between words are."""
        lines = [f"這是第{number}句話{number * 7}" if number % 9 else "這 是" for number in range(2_000)]
        for _ in range(2):  # the second time from the cache
            with pytest.warns(SeqloomWarning, match="not in the vocabulary") as caught:
                text(tmp_path, lines)
            assert "tokenizer.kind=bpe" in str(caught[0].message)
        text(tmp_path, lines, kind="bpe", vocab_size=300)

    @pytest.mark.parametrize("marks", [("<s>", "</s>"), ("", "<eos>"), ("<sos>", "<eos>")])
    def test_marks_of_begin_and_end(self, tmp_path: Path, marks: tuple[str, str]) -> None:
        path = write(tmp_path / "text", "".join(f"{marks[0]} a b {i} {marks[1]}\n" for i in range(30)))
        found, warning = warned(readers["lines"](path))
        assert len(found) == 30
        assert f"{path}:1" in warning
        assert marks[1] in warning

    def test_one_mark_is_text(self, tmp_path: Path) -> None:
        assert list(readers["lines"](write(tmp_path / "text", "a </s>\nb\n"))) == ["a </s>", "b"]

    def test_line_ends_of_old_macs(self, tmp_path: Path) -> None:
        path = write(tmp_path / "text", "fine\na\rb\rc\nd\re\n")
        found, warning = warned(read_lines(path))
        assert found == ["fine", "a\rb\rc", "d\re"]
        assert f"{path}:2" in warning

    def test_two_forms_of_one_word(self) -> None:
        with pytest.warns(SeqloomWarning, match="two words look the same"):
            train_tokenizer(["caf\u00e9 cafe\u0301"], TokenizerSettings(min_count=1))

    @pytest.mark.parametrize(("one", "other"), [("Good", "good"), ("very good", "very  good"), ("\u00e9", "e\u0301")])
    def test_two_forms_of_one_label(self, one: str, other: str) -> None:
        from seqloom.data.labels import Labels

        with pytest.warns(SeqloomWarning, match="two labels differ") as caught:
            assert len(Labels.learn([one, other, "bad"], "file")) == 3
        assert "file" in str(caught[0].message)


TS = "@univariate true\n@equalLength true\n@classLabel true up down\n@data\n"


@pytest.mark.parametrize(
    ("name", "content", "what", "line"),
    [
        ("x.ts", f"{TS}1,2:up\n1,2:dwon\n", "not among those of @classLabel", 6),
        ("x.ts", f"{TS}1,2:up\n1,2,3:down\n", "another length, and @equalLength", 6),
        ("x.ts", "@dimensions ²\n@data\n", "@dimensions is not a number", None),
        ("x.ts", f"@dimensions {'9' * 5000}\n@data\n", "@dimensions is not a number", None),
        ("x.csv", '1,2,a\n1,"b\rc"d,e\rf\n', "read as CSV", 2),
        ("x.csv", f"1,2,a\n1,{'2' * 140_000},b\n", "not a number", 2),
        ("x.tsv", "a\tb\n".encode("utf-16"), "UTF-16", 1),
        ("x.tsv", "a\tb\n".encode("utf-16-le"), "utf-16", 1),
        ("x.tsv", "fine\ta\nb\0c\td\n", "NUL", 2),
        ("x.tsv.gz", gzip.compress(os.urandom(4000).hex().encode())[:-30], "compressed file is broken", None),
        ("x.tsv.xz", lzma.compress(os.urandom(4000).hex().encode())[:-30], "compressed file is broken", None),
    ],
)
@pytest.mark.filterwarnings("ignore:a line contains a carriage return")
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: str | bytes, what: str, line: int | None
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(SeqloomError, match=what) as refused:
        list(readers["labelled"](path))
    assert str(refused.value.where).startswith(f"{path}:{line}" if line else path)


def test_a_compressed_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqloom.files.LONGEST_UNPACKED_LINE", 1 << 20)
    path = write(tmp_path / "bomb.gz", gzip.compress(b"fine\n" + b"a" * (2 << 20)))
    lines = read_lines(path)
    assert next(lines) == "fine"
    with pytest.raises(SeqloomError, match="too long") as refused:
        next(lines)
    assert refused.value.where == f"{path}:2"


def test_control_characters_of_data_do_not_reach_the_terminal() -> None:
    error = SeqloomError("odd \x1b[31m label", where="a\x07b", got="\x9b2J", hint="a\tb")
    assert str(error).splitlines()[0] == r"odd \x1b[31m label"
    assert not {"\x1b", "\x07", "\x9b"} & set(str(error))
