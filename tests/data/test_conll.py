"""CoNLL columns and CoNLL-U: what is read, which of them a file is, and what is said of one that is broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.readers.conll import Sentence, Target, conll, conll_rows, split_columns
from seqloom.data.readers.conllu import COLUMNS, conllu, conllu_rows
from seqloom.data.readers.tagged import inputs_of, recognise, tagged
from seqloom.errors import SeqloomError

EXAMPLE = Path(__file__).parents[2] / "examples" / "english_ewt.conllu"
Write = Callable[..., str]

CHUNKS = """-DOCSTART- -X- O

Confidence NN B-NP
in  IN B-PP

# # B-NP
two CD I-NP
"""
TREE = """# sent_id = 1
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\tMood=Imp\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
2.1\tplease\t_\t_\t_\t_\t_\t_\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_

# only a comment

1\tnew york\tnew york\tPROPN\tNNP\t_\t0\troot\t_\t_
"""
DO, TAGS = ("Do", "n't", "go"), ("AUX", "PART", "VERB")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(content: str, name: str = "data.txt") -> str:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return str(path)

    return writer


def test_columns_by_blanks(write: Write) -> None:
    found = list(conll(write(CHUNKS)))
    assert found == [
        Sentence(("Confidence", "in"), ("B-NP", "B-PP")),
        Sentence(("#", "two"), ("B-NP", "I-NP")),
    ]
    assert [sentence.tags for sentence in conll(write(CHUNKS), 2)] == [("NN", "IN"), ("#", "CD")]


def test_columns_by_tabs_hold_blanks() -> None:
    assert split_columns("New York\tB-LOC ") == ["New York", "B-LOC"]
    assert split_columns("10\u00a0000 CD") == ["10\u00a0000", "CD"]


@pytest.mark.parametrize(
    ("target", "tags"),
    [("auto", TAGS), ("upos", TAGS), (4, TAGS), ("XPOS", ("VB", "RB", "VB")), ("deprel", ("aux", "advmod", "root"))],
)
def test_words_of_conllu(write: Write, target: Target, tags: tuple[str, ...]) -> None:
    first, second = conllu(write(TREE), target)
    assert first == Sentence(DO, tags)
    assert second.words == ("new york",)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", TREE, "conllu"),
        ("a.conllu.gz", TREE, "conllu"),
        ("a.txt", CHUNKS, "conll"),
        ("a.txt", "Ada B-PER\nwent O\n", "conll"),
        ("a.txt", "# # O\ntwo CD O\n\n", "conll"),
        ("a.txt", "Ada\tPER\n", "conll"),
        ("a.txt.gz", "Ada\tNOUN\n\n", "conll"),
        ("a.conll", "Ada\nwent\n", "conll"),
        ("a.txt", "Ada went home\nand back\n", "lines"),
        ("a.txt", "Ada NNP\nwent VBD\n", "lines"),
        ("a.txt", "blood group O\n", "lines"),
        ("a.txt", "blood group O\nor not\n", "lines"),
        ("a.txt", "\nAda O\nwent O\n", "lines"),
        ("a.txt", "# a heading\n\ntext\n", "lines"),
        ("a.txt", "", "lines"),
    ],
)
def test_formats_are_told_apart(write: Write, name: str, content: str, kind: str) -> None:
    path = write(content, name)
    lines = list(enumerate(content.split("\n"), 1))
    found, again = recognise(iter(lines), path)
    assert found == kind
    assert list(again) == lines


def test_words_without_tags(write: Write) -> None:
    assert list(inputs_of(write("Ada  went\n\nhome \n"))) == [("Ada", "went"), (), ("home",)]
    assert list(inputs_of(write(TREE))) == [DO, ("new york",)]
    assert list(inputs_of(write("Ada\nwent\n\nhome\n", "a.conll"))) == [("Ada", "went"), ("home",)]
    assert next(tagged(write(TREE))) == Sentence(DO, TAGS)
    assert len(list(tagged(write(CHUNKS)))) == 2


@pytest.mark.parametrize(
    ("content", "target", "what", "line"),
    [
        ("a X\nb X\n\nc\n", "auto", "differ in the number of columns", 4),
        ("a\nb\n", "auto", "there is no column 2", 1),
        ("a X\n", 3, "there is no column 3", 1),
        ("a\tX\nb\t\n", "auto", "column 2 is empty", 2),
        (TREE + "4\tgo\n", "auto", "ten columns", 12),
        (TREE.replace("3\tgo", "x\tgo"), "auto", "begins with the number of a word", 7),
        ("a X\n\xff", "auto", "not UTF-8", 2),
    ],
)
def test_what_is_broken_is_said_with_its_line(
    tmp_path: Path, content: str, target: Target, what: str, line: int
) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SeqloomError, match=what) as refused:
        list(tagged(str(path), target))
    assert refused.value.where == f"{path}:{line}"


@pytest.mark.parametrize(("content", "target"), [("a X\n", "upos"), (TREE, "uppos"), (TREE, 11)])
def test_a_column_that_is_none_is_refused(write: Write, content: str, target: Target) -> None:
    with pytest.raises(SeqloomError) as refused:
        list(tagged(write(content), target))
    assert refused.value.where == "data.target"
    assert refused.value.exit_status == 2


def test_the_example_is_read() -> None:
    found = list(tagged(str(EXAMPLE)))
    assert len(found) == 152
    assert len({tag for sentence in found for tag in sentence.tags}) == 17  # the universal parts of speech


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=5)
cells = text.filter(lambda word: not word.startswith(("#", "-DOCSTART-")) and word.strip())
sentences = st.lists(st.lists(st.tuples(cells, cells), min_size=1, max_size=4), min_size=1, max_size=4)


@given(sentences, st.sampled_from(["\t", " ", "  "]), st.integers(1, 3))
def test_what_is_written_in_columns_is_read(rows: list[list[tuple[str, str]]], between: str, blank: int) -> None:
    lines = ("\n" * blank).join("".join(f"{word}{between}{tag}\n" for word, tag in words) for words in rows).split("\n")
    found = list(conll_rows(enumerate(lines, 1), "here"))
    assert [[tuple(row.columns) for row in words] for words in found] == rows
    assert all(lines[row.line - 1].startswith(row.columns[0]) for words in found for row in words)


@given(sentences)
def test_what_is_written_in_conllu_is_read(rows: list[list[tuple[str, str]]]) -> None:
    rest = "\t_" * (len(COLUMNS) - 3)
    lines = []
    for words in rows:
        lines += ["# text = any", f"1-{len(words)}\tany\t_{rest}"]
        lines += [f"{i}\t{word}\t{tag}{rest}" for i, (word, tag) in enumerate(words, 1)] + [""]
    found = list(conllu_rows(enumerate(lines, 1), "here"))
    assert [[tuple(row.columns[1:3]) for row in words] for words in found] == rows
