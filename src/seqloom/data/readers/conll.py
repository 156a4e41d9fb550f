"""CoNLL columns: a word a line with what is said of it, in columns; a blank line ends a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines

Target = int | str
"""What is to be predicted: the number of a column, from 1 on; a name, where columns have names; or `auto`."""

NumberedLine = tuple[int, str]


class Sentence(NamedTuple):
    """`tags[i]` is what is said of `words[i]`."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Row(NamedTuple):
    """A word's columns, and the number of the line where they stand."""

    line: int
    columns: list[str]


def conll(path: str, target: Target = "auto") -> Iterator[Sentence]:
    """Yields the sentences of blank- or tab-separated columns: the word in the first, its tag by default in the last.

    Lines that begin with `-DOCSTART-` are passed over. Raises SeqloomError with `file:line` where a line has not as
    many columns as the first, or there is no column `target`.
    """
    if target != "auto" and isinstance(target, str):
        raise RequestError(
            "CoNLL columns have no names", where="data.target", got=target, expected="the number of a column, or auto"
        )
    for rows in conll_rows(numbered(path), path):
        number = target if isinstance(target, int) else max(len(rows[0].columns), 2)  # the last, not the only one
        yield Sentence(column_of(rows, 1, path), column_of(rows, number, path))


def numbered(path: str) -> Iterator[NumberedLine]:
    return enumerate(read_lines(path), 1)


def sentence_lines(lines: Iterable[NumberedLine]) -> Iterator[list[NumberedLine]]:
    """Yields the lines between blank ones."""
    found: list[NumberedLine] = []
    for line in lines:
        if line[1].strip():
            found.append(line)
        elif found:
            yield found
            found = []
    if found:
        yield found


def conll_rows(lines: Iterable[NumberedLine], path: str) -> Iterator[list[Row]]:
    """Yields the rows of each sentence, all with as many columns."""
    width = 0
    for found in sentence_lines(lines):
        rows = [Row(number, split_columns(line)) for number, line in found if not line.startswith("-DOCSTART-")]
        for row in rows:
            width = width or len(row.columns)
            if len(row.columns) != width:
                raise SeqloomError(
                    "the lines have not all as many columns",
                    where=f"{path}:{row.line}",
                    got=len(row.columns),
                    expected=f"{width}, as in the first line",
                )
        if rows:
            yield rows


def split_columns(line: str) -> list[str]:
    """By tabs where there are any, so that a word may hold a blank; else by blanks."""
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def column_of(rows: list[Row], number: int, path: str) -> tuple[str, ...]:
    """What the rows have in column `number`, from 1 on."""
    first = rows[0]
    if number > len(first.columns):
        raise SeqloomError(
            f"there is no column {number}",
            where=f"{path}:{first.line}",
            got=f"{len(first.columns)} column{'' if len(first.columns) == 1 else 's'}",
            expected="a word, and a tag in a column of its own",
            hint="--set data.target=NUMBER says which column it is",
        )
    for row in rows:
        if not row.columns[number - 1]:
            raise SeqloomError(f"column {number} is empty", where=f"{path}:{row.line}", expected="text in every column")
    return tuple(row.columns[number - 1] for row in rows)


readers.register("conll", "Sentences in columns, one word a line and its tag in the last column (CoNLL).")(conll)
