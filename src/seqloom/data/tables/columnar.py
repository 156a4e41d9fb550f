"""Rows of Parquet and Arrow files, and of frames of polars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqloom.data.input_source import suffix_of
from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import SeqloomError
from seqloom.files import reading

if TYPE_CHECKING:
    import polars as pl


def columnar_table(path: str) -> Table:
    """The table of a Parquet, Arrow or Feather file; fields of structures are columns such as `translation.en`."""
    frame = read_columnar(path)
    return Table(path, tuple(frame.columns), rows_of(frame, path, {}))


def read_columnar(path: str) -> pl.DataFrame:
    """The frame of a file. An Arrow file may have the file format or the streaming format."""
    import polars as pl

    with reading(path):
        try:
            if suffix_of(path) == ".parquet":
                return _unnested(pl.read_parquet(path))
            try:
                return _unnested(pl.read_ipc(path))
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                return _unnested(pl.read_ipc_stream(path))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise SeqloomError("the table could not be read", where=path, got=str(error).partition("\n")[0]) from None


def _unnested(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    while nested := [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
        name = nested[0]
        fields = [field.name for field in frame.schema[name].fields]  # type: ignore[attr-defined]
        frame = frame.with_columns(pl.col(name).struct.field(f).alias(f"{name}.{f}") for f in fields).drop(name)
    return frame


def rows_of(frame: pl.DataFrame, path: str, class_names: Mapping[str, Sequence[str]]) -> Iterator[TableRow]:
    """Yields the rows, counted from 1. `class_names`: the names that replace the numbers of these columns."""
    names = [class_names.get(column) for column in frame.columns]
    for number, cells in enumerate(frame.iter_rows(), 1):
        yield TableRow(
            f"{path}:{number}",
            [cell if known is None else _named(cell, known) for cell, known in zip(cells, names, strict=True)],
        )


def _named(cell: Any, names: Sequence[str]) -> Any:
    if isinstance(cell, list):
        return [_named(item, names) for item in cell]
    return names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else None
