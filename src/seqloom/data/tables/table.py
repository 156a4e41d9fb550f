"""A table as a stream of rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seqloom.errors import SeqloomError


class TableRow(NamedTuple):
    """The cells of a row: text, or numbers and lists in formats with types. `where`: its file and line."""

    where: str
    cells: Sequence[Any]


def of_one_width(rows: Iterator[TableRow], width: int) -> Iterator[TableRow]:
    """The same rows. Raises SeqloomError at the first one that has another number of cells."""
    for row in rows:
        if len(row.cells) != width:
            raise SeqloomError(
                "a row has another number of columns",
                where=row.where,
                got=len(row.cells),
                expected=f"{width}, as the first row has",
            )
        yield row


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
