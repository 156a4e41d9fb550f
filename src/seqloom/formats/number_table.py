"""Tables of results: CSV, JSON lines or Parquet, by the ending of a file's name."""

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
    """Raises RequestError where the name of a table to write does not say its format."""
    if path.suffix not in KINDS:
        raise RequestError(
            "a table's format is said by the ending of its name", where=str(path), got=path.suffix or "no ending",
            expected=", ".join(KINDS),
        )  # fmt: skip


def print_table(rows: Iterable[Row], stream: TextIO, as_json: bool = False) -> None:
    """Row by row as they come: CSV with a header, or a JSON object a line."""
    stream.writelines(_json_lines(rows) if as_json else _csv_lines(rows))


def write_table(rows: Iterable[Row], path: Path) -> None:
    """The whole table or none. JSON is one list of objects."""
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
