"""Labelled examples: `.ts` files of series, `.csv` tables of numbers, and `label TAB text` in all other files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from seqloom.data.example import Labelled, Source
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import LABEL_NAMES, TEXT_NAMES, names_columns, warn_of_header
from seqloom.data.readers.table import rows, table
from seqloom.data.readers.ts_format import cases, time_series
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


@readers.register("labelled", "Lines of: label TAB text; or labelled sequences of numbers (.ts, .csv).")
def labelled(path: str) -> Iterator[Labelled]:
    """Yields the examples of lines `label TAB text` (empty lines are skipped), or of `.ts` and `.csv` files of numbers.

    A header row is skipped with a warning; its names tell which column is the label. Raises SeqloomError with
    `file:line` at a line of another form.
    """
    kind = _kind(path)
    if kind == ".ts":
        yield from time_series(path)
    elif kind == ".csv":
        yield from table(path)
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


def unlabelled(path: str) -> Iterator[Source]:
    """Yields the inputs to classify: every line, also empty ones, or the sequences of `.ts` and `.csv` files without
    their labels.

    If it is not clear whether the last number of a table row is a label, the row is yielded with it.
    """
    kind = _kind(path)
    if kind == ".ts":
        yield from (frames for _, frames in cases(path))
    elif kind == ".csv":
        yield from (frames for _, frames in rows(path, labelled=False))
    else:
        yield from (line.strip() for line in read_lines(path))


def holds_numbers(path: str) -> bool:
    """Whether the name of the file says that it contains sequences of numbers, not texts."""
    return _kind(path) in (".ts", ".csv")


def _kind(path: str) -> str:
    """The suffix of the file, without that of its compression."""
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
        raise SeqloomError(f"the {side} is empty", where=where, expected="text on both sides of the tab")
    return Labelled(label, text)
