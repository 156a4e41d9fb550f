"""The table in a file or folder, whose format is chosen by its name."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.input_source import COLUMNAR, JSON_LINES, suffix_of
from seqloom.data.tables.columnar import columnar_table
from seqloom.data.tables.delimited import comma_rows, tab_rows
from seqloom.data.tables.folders import folder_table
from seqloom.data.tables.json_lines import json_lines_table
from seqloom.data.tables.table import Table
from seqloom.files import read_lines


def open_table(path: str) -> Table:
    """The table in a file or folder. Files of other formats are read as columns separated by tabs."""
    suffix = suffix_of(path)
    if Path(path).is_dir():
        return folder_table(path)
    if suffix in JSON_LINES:
        return json_lines_table(path)
    if suffix in COLUMNAR:
        return columnar_table(path)
    return Table(path, (), (comma_rows if suffix == ".csv" else tab_rows)(read_lines(path), path))
