"""Plain text with a sentence or paragraph on each line; empty lines are skipped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from seqloom.data.input_source import is_table
from seqloom.data.readers import readers
from seqloom.data.readers.header_row import TEXT_NAMES
from seqloom.data.tables.columns import Role, inputs_are_table, parse_columns, texts_of
from seqloom.data.tables.formats import open_table
from seqloom.errors import warn
from seqloom.files import read_lines

_MARKS = (("<s>", "</s>"), ("<sos>", "<eos>"), ("<bos>", "<eos>"), ("", "</s>"), ("", "<eos>"))
_LINES_TO_LOOK_AT = 20


ROLES = (Role("text", frozenset(TEXT_NAMES)),)


@readers.register("lines", "Text, a sentence or paragraph on each line; or a column of a table.")
def lines(path: str, columns: str = "") -> Iterator[str]:
    """Yields each line that is not empty, without whitespace at its ends; or the texts of a table. `columns`: see
    `parse_columns`.

    Warns if every line is enclosed in `<s>` and `</s>` or the like, which make a text easier to predict.
    """
    if columns or is_table(path):
        yield from (texts["text"] for texts in texts_of(open_table(path), parse_columns(columns), ROLES))
        return
    texts = (text for line in read_lines(path) if (text := line.strip()))
    first = list(itertools.islice(texts, _LINES_TO_LOOK_AT))
    for begin, end in _MARKS:
        if len(first) > 1 and all(text.split()[-1] == end and text.startswith(begin) for text in first):
            warn(
                "every line has marks at its beginning and end, which are scored as words of the text",
                where=f"{path}:1",
                got=repr(first[0] if len(first[0]) < 60 else f"{first[0][:30]} ... {first[0][-20:]}"),
                expected="only the text: the end of each line is predicted without a mark",
                hint=f"remove {' and '.join(filter(None, (begin, end)))} for comparable scores",
            )
            break
    yield from first
    yield from texts


def input_lines(path: str, columns: str = "") -> Iterator[str]:
    """Yields each line of a file, also empty ones, or the texts of a table."""
    chosen_columns = parse_columns(columns)
    if inputs_are_table(path, chosen_columns):
        yield from (texts["text"] for texts in texts_of(open_table(path), chosen_columns, ROLES, keeps_empty=True))
    else:
        yield from (line.strip() for line in read_lines(path))
