"""Pairs: lines of a source and its target, separated by a tab; empty lines are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from seqloom.data.groups import InGroup
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import PAIR_NAMES, SOURCE_NAMES, TARGET_NAMES, names_columns, warn_of_header
from seqloom.data.tables.columns import (
    GROUP,
    Role,
    cell_text,
    inputs_are_table,
    parse_columns,
    reads_as_table,
    select,
    texts_of,
    with_group,
)
from seqloom.data.tables.formats import open_table
from seqloom.data.tables.table import TableRow
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


class Pair(NamedTuple):
    source: str
    target: str


class GroupedPair(InGroup, Pair):
    """A pair that may be in a group."""


ROLES = (Role("source", frozenset(SOURCE_NAMES)), Role("target", frozenset(TARGET_NAMES)))
_TERM_ROLES = ("require", "forbid")
_INPUT_ROLES = (
    ROLES[0],
    ROLES[1]._replace(is_optional=True),
    *(Role(name, frozenset({name}), is_optional=True) for name in _TERM_ROLES),
)


@readers.register("pairs", "Lines of: source TAB target; or two columns of a table (CSV, JSON Lines, Parquet).")
def pairs(path: str, columns: str = "") -> Iterator[Pair]:
    """Yields (source, target) of each line that is not empty, without whitespace at their ends; or of each row of a
    table. `columns`: see `parse_columns`.

    A header row is skipped with a warning. Raises SeqloomError with `file:line` if there are not two columns, or one is
    empty.
    """
    chosen_columns = parse_columns(columns)
    if reads_as_table(path, chosen_columns, ROLES):
        for texts in texts_of(open_table(path), chosen_columns, with_group(ROLES, chosen_columns)):
            yield GroupedPair(texts["source"], texts["target"]).of_group(texts.get(GROUP.name, ""))
        return
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            pair = parse_pair(line, f"{path}:{number}")
            if number == 1 and names_columns(pair, PAIR_NAMES, PAIR_NAMES):
                warn_of_header(pair, f"{path}:{number}")
            else:
                yield pair


def sources(path: str, columns: str = "") -> Iterator[str | dict[str, Any]]:
    """Yields the sources to answer: each line of a file, or the column of the source in a table. With columns `require`
    or `forbid`, a source comes as a dictionary with its terms."""
    chosen_columns = parse_columns(columns)
    if not inputs_are_table(path, chosen_columns) and not set(_TERM_ROLES) & set(chosen_columns):
        yield from (line.strip() for line in read_lines(path))
        return
    places, rows = select(open_table(path), chosen_columns, with_group(_INPUT_ROLES, chosen_columns))
    term_places = {name: places[name] for name in _TERM_ROLES if name in places}
    for row in rows:
        source = cell_text(row, places["source"])
        terms = {name: _terms(row, place) for name, place in term_places.items()}
        yield {"source": source, **terms} if terms else source


def _terms(row: TableRow, place: int) -> list[str]:
    """The terms in a cell: a list, or text with a `|` between terms. A row may end before the cell."""
    cell = row.cells[place] if place < len(row.cells) else None
    terms = cell if isinstance(cell, list | tuple) else str(cell or "").split("|")
    return [text for term in terms if (text := " ".join(str(term).split()))]


def parse_pair(line: str, where: str) -> Pair:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 2:
        raise SeqloomError(
            "a pair is two columns separated by a tab",
            where=where,
            got=f"{len(columns)} column{'' if len(columns) == 1 else 's'}",
            expected="source TAB target",
            hint="choose two of several columns: --columns source=1,target=2" if len(columns) > 2 else None,
        )
    source, target = columns
    if not source or not target:
        side = "target" if source else "source"
        raise SeqloomError(f"the {side} is empty", where=where, expected="text on both sides of the tab")
    return Pair(source, target)
