"""Sentences with a tag a word, in CoNLL columns or CoNLL-U, and sentences without: which of them a file holds."""

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
    """CoNLL-U where the file's name ends in `.conllu` or its lines are such, CoNLL columns otherwise."""
    kind, _ = recognise(numbered(path), path)
    return conllu(path, target) if kind == "conllu" else conll(path, target)


def words_of(path: str) -> Iterator[Words]:
    """Yields the words of each sentence of a CoNLL or CoNLL-U file, or of each line of plain text (which may have
    none), where whitespace separates them."""
    kind, lines = recognise(numbered(path), path)
    if kind == "lines":
        yield from (tuple(line.split()) for _, line in lines)
    elif kind == "conllu":
        yield from (column_of(rows, FORM, path) for rows in conllu_rows(lines, path))
    else:
        yield from (column_of(rows, 1, path) for rows in conll_rows(lines, path))


def recognise(lines: Iterable[NumberedLine], path: str) -> tuple[Format, Iterator[NumberedLine]]:
    """The format of a file, and all its lines. Its name says it (`.conllu`, `.conll`, compressed or not), or its first
    sentence: ten columns with tabs, the first a number, are CoNLL-U; other columns with tabs, or two lines and more
    that all end in `O`, `B-X` and the like, are CoNLL columns. The rest is plain text."""
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
    """The format, where a single line says it; None of a comment, which may hold anything."""
    if line.startswith("#"):
        return None
    if "\t" in line:
        columns = line.split("\t")
        return "conllu" if len(columns) == len(COLUMNS) and columns[0][:1].isdigit() else "conll"
    return "conll" if line.startswith("-DOCSTART-") else None


def _ends_in_tag(line: str) -> bool:
    columns = split_columns(line)
    return len(columns) > 1 and _SPAN_TAG.fullmatch(columns[-1]) is not None


readers.register("tagged", "Tagged sentences, CoNLL or CoNLL-U, whichever the file is.")(tagged)
