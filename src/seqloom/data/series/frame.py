"""CSV, Parquet and Arrow files as data frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from seqloom.data.input_source import COLUMNAR, suffix_of
from seqloom.data.tables.columnar_file import read_columnar
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import opened, reading

if TYPE_CHECKING:
    import polars as pl

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "None", "?", "."]


def read_frame(path: str) -> pl.DataFrame:
    """A CSV file (separated by commas, semicolons or tabs; `.gz`, `.xz` and `-` too), a Parquet or an Arrow file as a
    frame. A column without a name is named `index`."""
    frame = read_columnar(path) if suffix_of(path) in COLUMNAR else _read_delimited(path)
    import polars as pl

    frame = frame.rename({"": "index"}) if "" in frame.columns else frame
    return frame.cast({pl.Int128: pl.Float64})  # what numpy has no integers for


def _read_delimited(path: str) -> pl.DataFrame:
    import polars as pl

    with reading(path), opened(path) as stream:
        content = stream.read()
    if not content.strip():
        raise RequestError("the file is empty", where=path, expected="a header and one row for each time")
    header = content[: content.find(b"\n")]
    separator = max((b",", b";", b"\t"), key=header.count).decode()
    try:
        return pl.read_csv(
            io.BytesIO(content), separator=separator, null_values=_MISSING, infer_schema_length=None,
            decimal_comma=separator == ";" and content.count(b",") > content.count(b"."),
        )  # fmt: skip
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError, OSError) as error:
        raise SeqloomError("the table could not be read", where=path, got=str(error).partition("\n")[0]) from None
