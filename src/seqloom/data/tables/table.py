"""A table as a stream of rows, and the suffixes of files that are tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

DELIMITED, JSON_LINES, COLUMNAR = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson"), (".parquet", ".arrow", ".feather")


class TableRow(NamedTuple):
    """The cells of a row: text, or numbers and lists in formats with types. `where`: its file and line."""

    where: str
    cells: Sequence[Any]


@dataclass(frozen=True)
class Table:
    """`names`: the names of the columns; empty if the format has no names, so that the first row may be a header."""

    path: str
    names: tuple[str, ...]
    rows: Iterator[TableRow]

    def header(self, is_header: Callable[[Sequence[str]], bool]) -> tuple[tuple[str, ...], Iterator[TableRow]]:
        """The names of the columns and the rows below them. Of a format without names, the first row is the header if
        `is_header` of its cells."""
        if self.names:
            return self.names, self.rows
        first = next(self.rows, None)
        if first is None:
            return (), self.rows
        if is_header(first.cells):
            return tuple(str(cell) for cell in first.cells), self.rows
        return (), itertools.chain([first], self.rows)


def suffix_of(path: str) -> str:
    """The suffix of a file in lowercase, without that of its compression."""
    name = PurePath(path.lower())
    return name.with_suffix("").suffix if name.suffix in (".gz", ".xz") else name.suffix


def is_table(path: str) -> bool:
    """Whether the name says that the file is a table in any case; `.tsv` files may also be plain pairs or labels."""
    return suffix_of(path) in (".csv", *JSON_LINES, *COLUMNAR) or Path(path).is_dir()
