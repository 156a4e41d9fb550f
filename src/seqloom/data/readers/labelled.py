"""Labelled examples by a file's name: `.ts` archives of series, `.csv` tables of numbers, else `label TAB text`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from seqloom.data.example import Labelled, Source
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import LABEL_NAMES, TEXT_NAMES, names_columns, warn_of_header
from seqloom.data.readers.table import rows, table
from seqloom.data.readers.time_series import cases, time_series
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


@readers.register("labelled", "A label, a tab and a text a line; or labelled sequences of numbers (.ts, .csv).")
def labelled(path: str) -> Iterator[Labelled]:
    """A label, a tab and a text a line, blank lines skipped; `.ts` and `.csv` files are sequences of numbers.

    A first row that names the columns is skipped with a warning, and says which of them is the label. Raises
    SeqloomError with `file:line` where a line is something else.
    """
    kind = _kind(path)
    if kind == ".ts":
        yield from time_series(path)
    elif kind == ".csv":
        yield from table(path)
    else:
        yield from _labelled_texts(path)


_ROWS_AHEAD = 1_000
"""In which the label of the first row does not occur again where that is a header."""


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


def unlabelled(path: str) -> Iterator[Source]:
    """What is to be classified: every line, blank ones too; of `.ts` and `.csv` files the sequences, without the labels
    that they may have.

    A row of a table of which it cannot be said whether its last number is a label is given with it.
    """
    kind = _kind(path)
    if kind == ".ts":
        yield from (frames for _, frames in cases(path))
    elif kind == ".csv":
        yield from (frames for _, frames in rows(path, labelled=False))
    else:
        yield from (line.strip() for line in read_lines(path))


def holds_numbers(path: str) -> bool:
    """Whether the file's name says that it holds sequences of numbers, not texts."""
    return _kind(path) in (".ts", ".csv")


def _kind(path: str) -> str:
    """The end of the file's name, beneath that of its compression."""
    name = PurePath(path.lower())
    return name.with_suffix("").suffix if name.suffix in (".gz", ".xz") else name.suffix


def parse_labelled(line: str, where: str) -> Labelled:
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) != 2:
        raise SeqloomError(
            "an example is a label and a text separated by a tab",
            where=where,
            got=f"{len(columns)} column{'' if len(columns) == 1 else 's'}",
            expected="label TAB text",
            hint="sequences of numbers are read from files named .ts or .csv" if len(columns) == 1 else None,
        )
    label, text = columns
    if not label or not text:
        side = "text" if label else "label"
        raise SeqloomError(f"the {side} is empty", where=where, expected="something on both sides of the tab")
    return Labelled(label, text)
