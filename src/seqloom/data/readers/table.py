"""Tables of numbers: each row is a labelled vector, or one step of a labelled sequence."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from seqloom.data.example import Frames, Labelled
from seqloom.data.frames import is_number, parse_numbers
from seqloom.data.readers import readers
from seqloom.data.tables.columns import column_place, names_several, several_columns
from seqloom.data.tables.formats import open_table
from seqloom.data.tables.table import Table, TableRow, of_one_width
from seqloom.data.targets import JOINED
from seqloom.errors import RequestError, SeqloomError

_LABELS = ("label", "class", "target")
SERIES_NAMES = ("id", "series", "sequence")


class Columns(NamedTuple):
    """The positions of the numbers, of the label and of the name of the sequence; `width` is the number of columns.
    `labels`: the positions of several labels by name, which hold zeros and ones."""

    width: int
    numbers: tuple[int, ...]
    label: int | None
    series: int | None
    labels: Mapping[str, int] = MappingProxyType({})


@readers.register("table", "Rows of numbers and a label, separated by commas (.csv).")
def table(path: str, label: str = "", may_be_empty: bool = False) -> Iterator[Labelled]:
    """Yields the sequences of a table with or without a header, in which commas separate numbers and a label.

    The label is in the column `label` (its number or name, or those of several columns), else in the one named label,
    class or target, else in the last one; it `may_be_empty` or not. If there is a column named id, series
    or sequence, consecutive rows with the same name are the steps of one sequence; otherwise each row is a sequence of
    one step. Raises SeqloomError with `file:line`.
    """
    for text, frames in rows(path, labelled=True, label=label, may_be_empty=may_be_empty):
        assert text is not None
        yield Labelled(text, frames)


def rows(
    path: str,
    labelled: bool,
    label_names: Collection[str] = _LABELS,
    label: str = "",
    may_be_empty: bool = False,
) -> Iterator[tuple[str | None, Frames]]:
    """Yields the label and the numbers of each sequence. If not `labelled`, a last column of numbers that is not named
    as the label belongs to the numbers, and labels are None. `label`, `may_be_empty`: see `table`."""
    for columns, steps, frames in sequences_of(path, labelled, label_names, label):
        yield _label(steps, columns, may_be_empty), frames


def sequences_of(
    path: str, labelled: bool, label_names: Collection[str], label: str, as_one: bool = False
) -> Iterator[tuple[Columns, list[TableRow], Frames]]:
    """Yields the rows of each sequence, and their numbers, (steps, channels). Without a column for the name of the
    sequence, each row is one or, if `as_one`, all rows are one."""
    opened_table = open_table(path)
    stream = _cells(opened_table)
    first = next(stream, None)
    if first is None:
        return
    named = _names(first.cells, label)
    body = stream if named else itertools.chain([first], stream)
    start = next(body, None)
    if start is None:
        return
    columns = _columns(first if named else None, start, labelled, label_names, label)
    even_rows = of_one_width(itertools.chain([start], body), columns.width)
    if columns.series is not None:
        sequences = _sequences(even_rows, columns.series)
    else:
        sequences = iter([list(even_rows)]) if as_one else ([row] for row in even_rows)
    for steps in sequences:
        frames = [parse_numbers([row.cells[i] for i in columns.numbers], row.where) for row in steps]
        yield columns, steps, np.stack(frames).astype(np.float32)


def _cells(opened_table: Table) -> Iterator[TableRow]:
    """Yields the rows as text, first the names of the columns in formats that have names."""
    if opened_table.names:
        yield TableRow(opened_table.path, list(opened_table.names))
    for row in opened_table.rows:
        yield TableRow(row.where, ["" if cell is None else str(cell) for cell in row.cells])


def _names(cells: Sequence[str], label: str) -> bool:
    """Whether a first row has the names of the columns: not all cells are numbers, or several labels are chosen."""
    if names_several(label) or (label in cells and not label.isdigit()):
        return True
    place = int(label) - 1 if label.isdigit() else len(cells) - 1
    return not all(is_number(cell) for i, cell in enumerate(cells) if i != place) or len(cells) == 1


def _columns(
    header: TableRow | None, first: TableRow, labelled: bool, label_names: Collection[str], label_choice: str
) -> Columns:
    width = len((header or first).cells)
    names = [name.lower() for name in header.cells] if header else []
    series = next((i for i, name in enumerate(names) if name in SERIES_NAMES), None)
    label, labels = next((i for i, name in enumerate(names) if name in label_names), None), dict[str, int]()
    if label_choice:
        label, labels = _chosen(label_choice, header.cells if header else [str(i + 1) for i in range(width)], labelled)
    # Without a name, the last column is the label; where no label is needed, only if it is not a number.
    elif label is None and (labelled or (len(first.cells) == width and not is_number(first.cells[-1]))):
        label = width - 1
    numbers = tuple(i for i in range(width) if i not in (label, series, *labels.values()))
    if not numbers:
        raise SeqloomError(
            "a table has columns of numbers and one of labels",
            where=(header or first).where,
            got=f"{width} column{'' if width == 1 else 's'}",
            expected="numbers separated by commas, the label last or in a column named label",
        )
    return Columns(width, numbers, label, series, labels)


def _chosen(choice: str, names: Sequence[str], labelled: bool) -> tuple[int | None, dict[str, int]]:
    """The chosen column of the label, or those of several labels. What is only an input may lack them."""
    try:
        several = several_columns(choice, names)
        return (
            (column_place("label", choice, names, len(names), "the columns"), {})
            if several is None
            else (None, several)
        )
    except RequestError:
        if labelled:
            raise
        return None, {}


def _sequences(body: Iterator[TableRow], series: int) -> Iterator[list[TableRow]]:
    """Yields the rows of each sequence."""
    seen: set[str] = set()
    for name, group in itertools.groupby(body, key=lambda row: row.cells[series]):
        steps = list(group)
        if name in seen:
            raise SeqloomError(
                "the steps of a sequence do not follow each other",
                where=steps[0].where,
                got=f"{name} again",
                expected="the rows of a sequence next to each other",
            )
        seen.add(name)
        yield steps


def _label(steps: Sequence[TableRow], columns: Columns, may_be_empty: bool) -> str | None:
    """The label, or labels, that all steps share."""
    if columns.labels:
        return joined_labels(steps[0], columns.labels)
    if columns.label is None:
        return None
    label = steps[0].cells[columns.label]
    for row in steps:
        cell = row.cells[columns.label]
        if (not cell and not may_be_empty) or cell != label:
            raise SeqloomError(
                "a row has no label" if not cell else "the steps of a sequence have different labels",
                where=row.where,
                got=None if not cell else f"{label}, then {cell}",
                expected="a label in every row" if not cell else "one label for all of its rows",
                hint=None if not cell else "seqloom train tag predicts a label for each row",
            )
    return label


_YES, _NO = ("1", "1.0", "true", "yes", "x"), ("", "0", "0.0", "false", "no", "none")


def joined_labels(row: TableRow, places: Mapping[str, int]) -> str:
    """The labels whose columns say yes in a row. Raises SeqloomError for a cell that says neither yes nor no."""
    labels = []
    for name, place in places.items():
        answer = str(row.cells[place]).strip().lower() if place < len(row.cells) else ""
        if answer in _YES:
            labels.append(name)
        elif answer not in _NO:
            raise SeqloomError(
                "a column of a label holds 1 or 0", where=f"{row.where}, column {name}", got=answer[:40],
                expected="1 where an example has the label, 0 or nothing where it has not",
            )  # fmt: skip
    return JOINED.join(labels)
