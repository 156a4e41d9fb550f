"""Rows of JSON Lines files: an object on each line, whose keys are the names of the columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


def json_lines_table(path: str) -> Table:
    """The keys of the first 100 objects are the columns; keys of nested objects are joined with dots, such as
    `translation.en`. A key that is missing in an object is an empty cell. Raises SeqloomError with `file:line`."""
    objects = json_objects(read_lines(path), path)
    ahead = list(itertools.islice(objects, 100))
    names = tuple(dict.fromkeys(name for _, cells in ahead for name in cells))
    rows = (TableRow(where, [cells.get(name) for name in names]) for where, cells in itertools.chain(ahead, objects))
    return Table(path, names, rows)


def json_objects(lines: Iterable[str], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields where each object is, and the object without nesting: see `flattened`."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SeqloomError("a line is not JSON", where=where, got=str(error), expected="an object") from None
        if not isinstance(content, dict):
            raise SeqloomError("a line is not a JSON object", where=where, got=line[:60], expected='{"text": ...}')
        yield where, flattened(content)


def flattened(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one, their keys joined with dots."""
    cells: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            cells |= flattened(value, f"{prefix}{name}.")
        else:
            cells[prefix + str(name)] = value
    return cells
