"""Tables of results as CSV, JSON or Parquet, by the extension of the file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from seqloom.errors import RequestError
from seqloom.files import write_atomic, writing_atomic

Row = Mapping[str, Any]

KINDS = (".csv", ".json", ".parquet")


def check_kind(path: Path) -> None:
    """Raises RequestError if the name of a table has no known extension."""
    if path.suffix not in KINDS:
        raise RequestError(
            "the extension of a table's name determines its format", where=str(path), got=path.suffix or "none",
            expected=", ".join(KINDS),
        )  # fmt: skip


def print_table(rows: Iterable[Row], stream: TextIO, as_json: bool = False) -> None:
    """Prints rows as they arrive: CSV with a header, or one JSON object for each line."""
    stream.writelines(_json_lines(rows) if as_json else _csv_lines(rows))


def write_table(rows: Iterable[Row], path: Path) -> None:
    """Writes the whole table atomically. JSON is a list of objects."""
    check_kind(path)
    if path.suffix == ".parquet":
        import polars as pl

        frame = pl.DataFrame(list(rows), infer_schema_length=None)
        with writing_atomic(path) as binary:
            frame.write_parquet(binary)
    elif path.suffix == ".json":
        write_atomic(path, "[\n" + ",\n".join(line.rstrip("\n") for line in _json_lines(rows)) + "\n]\n")
    else:
        write_atomic(path, "".join(_csv_lines(rows)))


def _csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")

    def written(cells: Iterable[Any]) -> str:
        writer.writerow([f"{cell:.8g}" if isinstance(cell, float) else cell for cell in cells])
        text = line.getvalue()
        line.seek(0)
        line.truncate()
        return text

    for number, row in enumerate(rows):
        if not number:
            yield written(row)
        yield written(row.values())


def _json_lines(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        plain = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items()}
        yield json.dumps(plain, ensure_ascii=False) + "\n"
