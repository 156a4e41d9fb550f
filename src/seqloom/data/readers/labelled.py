"""Labelled examples: `.ts` files of series, `.csv` tables of numbers, and `label TAB text` in all other files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqloom.data.example import Labelled, Source
from seqloom.data.frames import is_number
from seqloom.data.input_source import files_of, is_table, suffix_of
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import LABEL_NAMES, TEXT_NAMES, names_columns, warn_of_header
from seqloom.data.readers.table import SERIES_NAMES, rows, table
from seqloom.data.readers.ts_format import cases, time_series
from seqloom.data.tables.columns import Role, inputs_are_table, parse_columns, reads_as_table, texts_of
from seqloom.data.tables.formats import open_table
from seqloom.errors import SeqloomError
from seqloom.files import read_lines

ROLES = (Role("label", frozenset(LABEL_NAMES)), Role("text", frozenset(TEXT_NAMES)))
_INPUT_ROLES = (ROLES[0]._replace(is_optional=True), ROLES[1])


@readers.register("labelled", "Lines of: label TAB text; or tables of labelled texts or sequences of numbers.")
def labelled(path: str, columns: str = "") -> Iterator[Labelled]:
    """Yields the examples of lines `label TAB text` (empty lines are skipped), of a table of texts, or of a `.ts` file
    or table of numbers. `columns`: see `parse_columns`.

    A header row is skipped with a warning; its names tell which column is the label. Raises SeqloomError with
    `file:line` at a line of another form.
    """
    chosen_columns = parse_columns(columns)
    if suffix_of(path) == ".ts":
        yield from time_series(path)
    elif holds_numbers(path, columns):
        yield from table(path)
    elif reads_as_table(path, chosen_columns, ROLES):
        for texts in texts_of(open_table(path), chosen_columns, ROLES):
            yield Labelled(texts["label"], texts["text"])
    else:
        yield from _labelled_texts(path)


_ROWS_AHEAD = 1_000
"""Rows in which the label of the first row does not occur again if that row is a header."""


def _labelled_texts(path: str) -> Iterator[Labelled]:
    rows = (
        (parse_labelled(line, f"{path}:{number}"), number)
        for number, line in enumerate(read_lines(path), 1)
        if line.strip()
    )
    first, line = next(rows, (None, 0))
    if first is None:
        return
    ahead = list(itertools.islice(rows, _ROWS_AHEAD))
    names = [first.label, str(first.source)]
    is_swapped = names_columns(names, TEXT_NAMES, LABEL_NAMES)
    if is_swapped or (ahead and _is_header(first, [example for example, _ in ahead])):
        warn_of_header(names, f"{path}:{line}", "the second is the label" if is_swapped else "it is skipped")
    else:
        yield first
    for example, _ in itertools.chain(ahead, rows):
        yield Labelled(str(example.source), example.label) if is_swapped else example


def _is_header(row: Labelled, others: Sequence[Labelled]) -> bool:
    """Whether the row names a column, and no other row has its label."""
    label, text = row.label.lower(), str(row.source).lower()
    return (label in LABEL_NAMES or text in TEXT_NAMES) and all(other.label != row.label for other in others)


def unlabelled(path: str, columns: str = "") -> Iterator[Source]:
    """Yields the inputs to classify: every line, also empty ones, the texts of a table, or sequences of numbers without
    their labels.

    If it is not clear whether the last number of a table row is a label, the row is yielded with it.
    """
    chosen_columns = parse_columns(columns)
    if suffix_of(path) == ".ts":
        yield from (frames for _, frames in cases(path))
    elif holds_numbers(path, columns):
        yield from (frames for _, frames in rows(path, labelled=False))
    elif inputs_are_table(path, chosen_columns):
        for texts in texts_of(open_table(path), chosen_columns, _INPUT_ROLES, keeps_empty=True):
            yield texts["text"]
    else:
        yield from (line.strip() for line in read_lines(path))


def holds_numbers(path: str, columns: str = "") -> bool:
    """Whether a file contains sequences of numbers, not texts: a `.ts` file, or a table whose first rows have numbers
    in all columns but one, and no column of texts. Only the first rows are read; a file that does not exist is judged
    by its name."""
    path = files_of(path)[0]
    if suffix_of(path) == ".ts" or not is_table(path) or parse_columns(columns):
        return suffix_of(path) == ".ts"
    if not Path(path).exists():
        return suffix_of(path) == ".csv"
    opened_table = open_table(path)
    head = list(itertools.islice(opened_table.rows, 2))
    first = [str(cell) for cell in opened_table.names or (head[0].cells if head else ())]
    if TEXT_NAMES & {name.lower() for name in first} and len(first) > 1:
        return False
    # Of a row of numbers, only the label and the name of the sequence may be something else.
    others = 1 + any(name.lower() in SERIES_NAMES for name in first)
    numbers = [sum(_may_be_number(cell) for cell in row.cells) for row in head]
    if any(0 < count >= len(row.cells) - others for count, row in zip(numbers, head, strict=True)):
        return True
    is_short = len(head) < 2 and len(first) != 2  # a header alone, or one row that is not a label and a text
    return not opened_table.names and (len(first) == 1 or is_short)


def _may_be_number(cell: object) -> bool:
    return isinstance(cell, int | float) or is_number(str(cell)) or cell == ""


def parse_labelled(line: str, where: str) -> Labelled:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 2:
        raise SeqloomError(
            "an example is a label and a text separated by a tab",
            where=where,
            got=f"{len(columns)} column{'' if len(columns) == 1 else 's'}",
            expected="label TAB text",
            hint="sequences of numbers are read from files named .ts or .csv"
            if len(columns) == 1
            else "choose two of several columns: --columns label=1,text=2",
        )
    label, text = columns
    if not label or not text:
        side = "text" if label else "label"
        raise SeqloomError(f"the {side} is empty", where=where, expected="text on both sides of the tab")
    return Labelled(label, text)
