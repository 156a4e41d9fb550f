"""CoNLL-U: the ten columns of Universal Dependencies, separated by tabs; an empty line ends a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from seqloom.data.readers import readers
from seqloom.data.readers.conll import (
    NumberedLine,
    Row,
    Sentence,
    Target,
    auxiliary_tags,
    column_of,
    numbered,
    sentence_lines,
    words_of,
)
from seqloom.data.span_tags import TagSurvey
from seqloom.errors import RequestError, SeqloomError, unknown_name

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
FORM = COLUMNS.index("form") + 1

_WORD = re.compile(r"\d+")
_NO_WORD = re.compile(r"\d+[-.]\d+")


def conllu(
    path: str, target: Target = "auto", auxiliary: Sequence[Target] = (), features: Sequence[Target] = ()
) -> Iterator[Sentence]:
    """Yields the sentences of a CoNLL-U file. Words are the forms; tags are by default the universal parts of speech.
    `auxiliary`: the columns of more annotations. `features`: the columns of the features of words.

    Comments, ranges such as `1-2` (several words written as one) and empty nodes such as `1.1` are skipped. Raises
    SeqloomError with `file:line` if a line does not have ten columns, or no id.
    """
    number, others = column_number(target), [column_number(column, "data.auxiliary") for column in auxiliary]
    feature_columns = [column_number(column, "data.features") for column in features]
    survey = TagSurvey(path)
    for rows in conllu_rows(numbered(path), path):
        tags = column_of(rows, number, path)
        survey.add(tags, (row.line for row in rows))
        yield Sentence(words_of(rows, FORM, feature_columns, path), tags, auxiliary_tags(rows, others))
    survey.warn_of_odd_tags()


def column_number(target: Target, where: str = "data.target") -> int:
    """The number of the column `target`, which may be a name; `auto` is upos. `where`: the setting that chooses it."""
    if isinstance(target, int):
        if target > len(COLUMNS):
            raise RequestError(
                "CoNLL-U has ten columns", where=where, got=target, expected=f"1 to {len(COLUMNS)}, or a name"
            )
        return target
    name = "upos" if target == "auto" else target.lower()
    if name not in COLUMNS:
        raise unknown_name("column", target, COLUMNS, where=where)
    return COLUMNS.index(name) + 1


def conllu_rows(lines: Iterable[NumberedLine], path: str) -> Iterator[list[Row]]:
    """Yields the rows of the words of each sentence."""
    for sentence in sentence_lines(lines):
        rows = [
            Row(number, _columns(line, f"{path}:{number}")) for number, line in sentence if not line.startswith("#")
        ]
        if words := [row for row in rows if _WORD.fullmatch(row.columns[0])]:
            yield words


def _columns(line: str, where: str) -> list[str]:
    columns = line.split("\t")
    if len(columns) != len(COLUMNS):
        raise SeqloomError("CoNLL-U has ten columns separated by tabs", where=where, got=len(columns), expected=10)
    if not (_WORD.fullmatch(columns[0]) or _NO_WORD.fullmatch(columns[0])):
        raise SeqloomError(
            "a line begins with the number of a word", where=where, got=columns[0], expected="1, 1-2, 1.1"
        )
    return columns


readers.register("conllu", "Sentences of CoNLL-U files, with the universal parts of speech as tags.")(conllu)
