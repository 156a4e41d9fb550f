"""Sentences with or without tags, in CoNLL columns, CoNLL-U or plain text; the format is recognised."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Literal

from seqloom.data.readers import readers
from seqloom.data.readers.conll import (
    NumberedLine,
    Sentence,
    Target,
    column_of,
    conll,
    conll_rows,
    numbered,
    split_columns,
)
from seqloom.data.readers.conllu import COLUMNS, FORM, conllu, conllu_rows

Words = tuple[str, ...]
Format = Literal["conll", "conllu", "lines"]

_SPAN_TAG = re.compile(r"O|[BIESLUM][-_]\S+")


def tagged(path: str, target: Target = "auto") -> Iterator[Sentence]:
    """Yields the sentences of a CoNLL-U file, which is recognised by its name or content, or of CoNLL columns."""
    kind, _ = recognise(numbered(path), path)
    return conllu(path, target) if kind == "conllu" else conll(path, target)


def words_of(path: str) -> Iterator[Words]:
    """Yields the words of each sentence of a CoNLL or CoNLL-U file, or of each line of plain text, where whitespace
    separates the words and a line may be empty."""
    kind, lines = recognise(numbered(path), path)
    if kind == "lines":
        yield from (tuple(line.split()) for _, line in lines)
    elif kind == "conllu":
        yield from (column_of(rows, FORM, path) for rows in conllu_rows(lines, path))
    else:
        yield from (column_of(rows, 1, path) for rows in conll_rows(lines, path))


def recognise(lines: Iterable[NumberedLine], path: str) -> tuple[Format, Iterator[NumberedLine]]:
    """The format of a file, and all its lines. The format follows from the name (`.conllu`, `.conll`, also compressed)
    or from the first sentence: ten tab-separated columns that begin with a number are CoNLL-U; other tab-separated
    columns, or at least two lines that all end in `O`, `B-X` or the like, are CoNLL columns. All else is plain text."""
    stream = iter(lines)
    named = PurePath(path.removesuffix(".gz").removesuffix(".xz")).suffix.lower()
    if named in (".conllu", ".conll"):
        return ("conllu" if named == ".conllu" else "conll"), stream
    seen: list[NumberedLine] = []
    tags = 0
    for line in stream:
        seen.append(line)
        if (decided := _by_line(line[1])) is not None:
            return decided, itertools.chain(seen, stream)
        if _ends_in_tag(line[1]):
            tags += 1
        elif not line[1].startswith("#"):
            break
    return ("conll" if tags > 1 else "lines"), itertools.chain(seen, stream)


def _by_line(line: str) -> Format | None:
    """The format, if this line alone tells it; None for a comment, which may contain anything."""
    if line.startswith("#"):
        return None
    if "\t" in line:
        columns = line.split("\t")
        return "conllu" if len(columns) == len(COLUMNS) and columns[0][:1].isdigit() else "conll"
    return "conll" if line.startswith("-DOCSTART-") else None


def _ends_in_tag(line: str) -> bool:
    columns = split_columns(line)
    return len(columns) > 1 and _SPAN_TAG.fullmatch(columns[-1]) is not None


readers.register("tagged", "Tagged sentences in CoNLL columns or CoNLL-U; the format is recognised.")(tagged)
