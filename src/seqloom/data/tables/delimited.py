"""Rows of CSV and TSV files. The first row may be a header."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator

from seqloom.data.tables.table import TableRow
from seqloom.errors import SeqloomError

_LONGEST_CELL = 1 << 27


def comma_rows(lines: Iterable[str], name: str) -> Iterator[TableRow]:
    """Yields the rows of a CSV file called `name` (RFC 4180): quoted cells may contain separators and line breaks. The
    separator is a comma, or a semicolon or tab if the first line contains no comma. Raises SeqloomError with
    `file:line`."""
    lines = iter(lines)
    first = next(lines, None)
    if first is None:
        return
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader((f"{line}\n" for line in itertools.chain([first], lines)), delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield TableRow(f"{name}:{number}", [cell.strip() for cell in cells])
            number = reader.line_num + 1
    except csv.Error as error:
        raise SeqloomError(
            "a row could not be read as CSV",
            where=f"{name}:{reader.line_num}",
            got=str(error).partition(" - ")[0],
            expected="cells separated by commas, quoted if they contain commas or quotes",
        ) from None


def tab_rows(lines: Iterable[str], name: str) -> Iterator[TableRow]:
    """Yields the rows of a file called `name`, in which tabs separate the columns. A cell within quotes whose inner
    quotes are all doubled is unquoted; any other quote is part of the text."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield TableRow(f"{name}:{number}", [_unquoted(cell.strip()) for cell in line.split("\t")])


def _unquoted(cell: str) -> str:
    if len(cell) < 2 or not cell.startswith('"') or not cell.endswith('"'):
        return cell
    inner = cell[1:-1]
    return cell if '"' in inner.replace('""', "") else inner.replace('""', '"')
