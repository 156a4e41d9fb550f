"""Rows of Parquet and Arrow files, and of frames of polars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqloom.data.tables.columnar_file import read_columnar
from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import SeqloomError

if TYPE_CHECKING:
    import polars as pl


def columnar_table(path: str) -> Table:
    """The table of a Parquet, Arrow or Feather file; fields of structures are columns such as `translation.en`."""
    frame = read_columnar(path)
    return Table(path, tuple(frame.columns), rows_of(frame, path, {}))


def rows_of(frame: pl.DataFrame, path: str, class_names: Mapping[str, Sequence[str]]) -> Iterator[TableRow]:
    """Yields the rows, counted from 1. `class_names`: the names that replace the numbers of these columns."""
    names = [class_names.get(column) for column in frame.columns]
    for number, cells in enumerate(_cells(frame, path), 1):
        yield TableRow(
            f"{path}:{number}",
            [cell if known is None else _named(cell, known) for cell, known in zip(cells, names, strict=True)],
        )


def _cells(frame: pl.DataFrame, path: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from frame.iter_rows()
    except (ValueError, OverflowError) as error:
        raise SeqloomError("a value cannot be represented", where=path, got=str(error)) from None


def _named(cell: Any, names: Sequence[str]) -> Any:
    if isinstance(cell, list):
        return [_named(item, names) for item in cell]
    return names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else None
