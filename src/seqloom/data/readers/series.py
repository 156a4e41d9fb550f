"""Series of numbers in time from CSV and Parquet files: a row a time, one series or many, long or wide."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seqloom.data.readers import readers
from seqloom.data.series import History
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import opened, reading

if TYPE_CHECKING:
    import polars as pl

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "None", "?", "."]


@readers.register("series", "Series of numbers in a CSV or Parquet table, a row a time; long or wide.")
def series(path: str) -> Iterator[History]:
    """Each series of a table, its columns recognised by their names: see `data.series_columns`."""
    from seqloom.data.series_columns import ColumnSettings
    from seqloom.data.series_table import read_panel

    panel = read_panel(path, ColumnSettings()).panel
    return (panel.history(number) for number in range(len(panel)))


def read_frame(path: str) -> pl.DataFrame:
    """A CSV file (separated by commas, semicolons or tabs; `.gz`, `.xz` and `-` too) or a Parquet file as a frame."""
    import polars as pl

    with reading(path):
        if path.endswith(".parquet"):
            return _parsed(lambda: pl.read_parquet(path), path)
        with opened(path) as stream:
            content = stream.read()
    if not content.strip():
        raise RequestError("the file is empty", where=path, expected="a header and a row a time")
    header = content[: content.find(b"\n")]
    separator = max((b",", b";", b"\t"), key=header.count).decode()
    return _parsed(
        lambda: pl.read_csv(
            io.BytesIO(content), separator=separator, null_values=_MISSING, infer_schema_length=None,
            decimal_comma=separator == ";" and content.count(b",") > content.count(b"."),
        ),
        path,
    )  # fmt: skip


def _parsed(read: Any, path: str) -> pl.DataFrame:
    """An index that was written without a name is called so."""
    import polars as pl

    try:
        frame: pl.DataFrame = read()
        return frame.rename({"": "index"}) if "" in frame.columns else frame
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise SeqloomError("the table could not be read", where=path, got=str(error).partition("\n")[0]) from None
