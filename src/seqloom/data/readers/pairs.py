"""Pairs: lines of a source and its target, separated by a tab; empty lines are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.data.readers.header_row import PAIR_NAMES, names_columns, warn_of_header
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


class Pair(NamedTuple):
    source: str
    target: str


@readers.register("pairs", "Lines of: source TAB target.")
def pairs(path: str) -> Iterator[Pair]:
    """Yields (source, target) of each line that is not empty, without whitespace at their ends.

    A header row is skipped with a warning. Raises SeqloomError with `file:line` if there are not two columns, or one is
    empty.
    """
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            pair = parse_pair(line, f"{path}:{number}")
            if number == 1 and names_columns(pair, PAIR_NAMES, PAIR_NAMES):
                warn_of_header(pair, f"{path}:{number}")
            else:
                yield pair


def parse_pair(line: str, where: str) -> Pair:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 2:
        raise SeqloomError(
            "a pair is two columns separated by a tab",
            where=where,
            got=f"{len(columns)} column{'' if len(columns) == 1 else 's'}",
            expected="source TAB target",
        )
    source, target = columns
    if not source or not target:
        side = "target" if source else "source"
        raise SeqloomError(f"the {side} is empty", where=where, expected="text on both sides of the tab")
    return Pair(source, target)
