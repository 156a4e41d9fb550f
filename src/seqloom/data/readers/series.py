"""Series of numbers in time from CSV, Parquet and Arrow files: a row a time, one series or many, long or wide."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.data.readers import readers
from seqloom.data.series.panel import History


@readers.register("series", "Series of numbers in a CSV, Parquet or Arrow table, a row a time; long or wide.")
def series(path: str) -> Iterator[History]:
    """Each series of a table, its columns recognised by their names: see `data.series.columns`."""
    from seqloom.data.series.columns import ColumnSettings
    from seqloom.data.series.table import read_panel

    panel = read_panel(path, ColumnSettings()).panel
    return (panel.history(number) for number in range(len(panel)))
