"""Labelled examples: `.ts` files of series, `.csv` tables of numbers, and `label TAB text` in all other files."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from seqloom.data.example import GroupedText, Labelled, Source
from seqloom.data.frames import is_number
from seqloom.data.input_source import COLUMNAR, JSON_LINES, files_of, is_table, suffix_of
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import LABEL_NAMES, TEXT_NAMES, names_columns, warn_of_header
from seqloom.data.readers.table import SERIES_NAMES, joined_labels, rows, table
from seqloom.data.readers.ts_format import cases, time_series
from seqloom.data.tables.columns import (
    GROUP,
    Role,
    column_place,
    inputs_are_table,
    names_several,
    parse_columns,
    reads_as_table,
    select,
    several_columns,
    texts_of,
    with_group,
)
from seqloom.data.tables.formats import open_table
from seqloom.data.tables.table import TableRow
from seqloom.data.targets import JOINED, TargetKind, parse_target
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines

ROLES = (Role("label", frozenset(LABEL_NAMES), joined=JOINED), Role("text", frozenset(TEXT_NAMES)))
_INPUT_ROLES: tuple[Role, ...] = (ROLES[0]._replace(is_optional=True), ROLES[1])


@readers.register("labelled", "Lines of: label TAB text; or tables of labelled texts or sequences of numbers.")
def labelled(path: str, columns: str = "", target: TargetKind = "class") -> Iterator[Labelled]:
    """Yields the examples of lines `label TAB text` (empty lines are skipped), of a table of texts, or of a `.ts` file
    or table of numbers. `columns`: see `parse_columns`; there may be one for each label, as in `label=3-8,text=2`.
    `target`: a set of labels may be empty, a number must be one.

    A header row is skipped with a warning; its names tell which column is the label. Raises SeqloomError with
    `file:line` at a line of another form.
    """
    examples = _labelled(path, parse_columns(columns), may_be_empty=target == "labels")
    if target == "number":
        for number, example in enumerate(examples, 1):
            parse_target(example.label, f"{path}, example {number}")
            yield example
    else:
        yield from examples


def _labelled(path: str, columns: Mapping[str, str], may_be_empty: bool) -> Iterator[Labelled]:
    if suffix_of(path) == ".ts":
        yield from time_series(path)
    elif holds_numbers(path, columns):
        if GROUP.name in columns:
            raise RequestError(
                "examples of numbers have no groups", where="columns", got=f"group={columns[GROUP.name]}",
                hint="divide the examples into files, and give one of them with --test",
            )  # fmt: skip
        yield from table(path, columns.get("label", ""), may_be_empty)
    elif names_several(columns.get("label", "")):
        choice, roles = _label_columns(path, columns)
        for texts in texts_of(open_table(path), choice, with_group(roles, columns)):
            cells = TableRow(path, [texts[role.name] for role in roles[1:]])
            labels = joined_labels(cells, {role.name: place for place, role in enumerate(roles[1:])})
            yield GroupedText(labels, texts["text"]).of_group(texts.get(GROUP.name, ""))
    elif reads_as_table(path, columns, ROLES):
        roles = with_group((ROLES[0]._replace(may_be_empty=may_be_empty), ROLES[1]), columns)
        for texts in texts_of(open_table(path), columns, roles):
            yield GroupedText(texts["label"], texts["text"]).of_group(texts.get(GROUP.name, ""))
    else:
        yield from _labelled_texts(path, may_be_empty)


def _label_columns(path: str, columns: Mapping[str, str]) -> tuple[dict[str, str], tuple[Role, ...]]:
    """The columns of the text and of each label, and their roles, of which that of a label has its name."""
    opened_table = open_table(path)
    names = opened_table.names or tuple(map(str, next(opened_table.rows, TableRow(path, ())).cells))
    labels = several_columns(columns["label"], names) or {}
    choice = {role: column for role, column in columns.items() if role != "label"}
    roles = tuple(Role(name, frozenset(), may_be_empty=True) for name in labels)
    return {**choice, **{name: name for name in labels}}, (ROLES[1], *roles)


_ROWS_AHEAD = 1_000
"""Rows in which the label of the first row does not occur again if that row is a header."""


def _labelled_texts(path: str, may_be_empty: bool) -> Iterator[Labelled]:
    rows = (
        (parse_labelled(line, f"{path}:{number}", may_be_empty), number)
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
    elif holds_numbers(path, chosen_columns):
        label = chosen_columns.get("label", "")
        yield from (frames for _, frames in rows(path, labelled=False, label=label, may_be_empty=True))
    elif inputs_are_table(path, chosen_columns):
        choice, roles = chosen_columns, _INPUT_ROLES
        if names_several(chosen_columns.get("label", "")):
            del chosen_columns["label"]
            with contextlib.suppress(RequestError):  # the table may lack the labels
                choice, roles = _label_columns(path, parse_columns(columns))
        for texts in texts_of(open_table(path), choice, with_group(roles, choice), keeps_empty=True):
            yield texts["text"]
    else:
        yield from (line.strip() for line in read_lines(path))


def holds_numbers(path: str, columns: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Whether a file contains sequences of numbers, not texts: a `.ts` file, or a table whose first rows have numbers
    in all columns but one, and no column of texts. `columns`: those that were chosen; if one of them is that of texts,
    it holds texts. Only the first rows are read; a file that does not exist is judged by its name."""
    path = files_of(path)[0]
    if suffix_of(path) == ".ts" or not is_table(path) or columns.keys() - {"label", GROUP.name}:
        return suffix_of(path) == ".ts"
    if not Path(path).exists():
        return suffix_of(path) == ".csv"
    opened_table = open_table(path)
    head = list(itertools.islice(opened_table.rows, 2))
    first = [str(cell) for cell in opened_table.names or (head[0].cells if head else ())]
    if TEXT_NAMES & {name.lower() for name in first} and len(first) > 1:
        return False
    if "label" in columns:
        return _are_numbers_besides(columns["label"], first, head[0 if opened_table.names else 1 :])
    # Of a row of numbers, only the label and the name of the sequence may be something else.
    others = 1 + any(name.lower() in SERIES_NAMES for name in first)
    numbers = [sum(_may_be_number(cell) for cell in row.cells) for row in head]
    if any(0 < count >= len(row.cells) - others for count, row in zip(numbers, head, strict=True)):
        return True
    is_short = len(head) < 2 and len(first) != 2  # a header alone, or one row that is not a label and a text
    return not opened_table.names and (len(first) == 1 or is_short)


def holds_label_sets(path: str, columns: Mapping[str, str]) -> bool:
    """Whether the examples have sets of labels in any case: a column for each label is chosen, or the cells of the
    label are lists."""
    if names_several(columns.get("label", "")):
        return True
    file = files_of(path)[0]
    if suffix_of(file) not in (*JSON_LINES, *COLUMNAR) or not Path(file).exists():
        return False
    try:
        places, opened_rows = select(open_table(file), columns, ROLES)
    except RequestError:
        return False  # the reader says what is wrong
    head = itertools.islice(opened_rows, _ROWS_AHEAD)
    return any(isinstance(row.cells[places["label"]], list | tuple) for row in head)


def _are_numbers_besides(label: str, names: Sequence[str], rows: Sequence[TableRow]) -> bool:
    """Whether all cells of the rows besides the labels and the name of a sequence are numbers."""
    if label.isdigit():
        places = {int(label) - 1}  # a name may be a number only where another column is chosen by name
    else:
        several = several_columns(label, names)
        places = (
            {column_place("label", label, names, len(names), "columns")} if several is None else {*several.values()}
        )
    places |= {place for place, name in enumerate(names) if name.lower() in SERIES_NAMES}
    others = [cell for row in rows for place, cell in enumerate(row.cells) if place not in places]
    return bool(others) and all(map(_may_be_number, others))


def _may_be_number(cell: object) -> bool:
    return isinstance(cell, int | float) or is_number(str(cell)) or cell == ""


def parse_labelled(line: str, where: str, may_be_empty: bool = False) -> Labelled:
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
    if (not label and not may_be_empty) or not text:
        side = "text" if label else "label"
        raise SeqloomError(f"the {side} is empty", where=where, expected="text on both sides of the tab")
    return Labelled(label, text)
