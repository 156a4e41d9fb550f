"""Documents with names: a text on each line, or columns of names and texts in a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.data.readers.header_row import TEXT_NAMES
from seqloom.data.readers.lines import lines
from seqloom.data.tables.columns import Role, located_texts_of, parse_columns, reads_as_table
from seqloom.data.tables.formats import open_table
from seqloom.errors import SeqloomError

_NAME_LENGTH = 80
_NAMES = frozenset({"name", "id", "key", "file", "path", "title", "url"})
ROLES = (Role("name", _NAMES, is_optional=True), Role("text", frozenset(TEXT_NAMES)))


class Document(NamedTuple):
    """A text on one line, and the name that it is found by."""

    name: str
    text: str


@readers.register("documents", "Documents: a text on each line, or columns of a name and a text in a table.")
def documents(path: str, columns: str = "") -> Iterator[Document]:
    """Yields each document that is not empty. A document without a name has the beginning of its text as its name.
    `columns`: see `parse_columns`.

    Raises SeqloomError if two documents have the same name in the column of the names.
    """
    columns_by_role = parse_columns(columns)
    if not reads_as_table(path, columns_by_role, ROLES):
        yield from (Document(text[:_NAME_LENGTH], text) for text in lines(path))
        return
    names: set[str] = set()
    for where, texts in located_texts_of(open_table(path), columns_by_role, ROLES):
        text, name = texts["text"], texts.get("name", "")
        if name in names:
            raise SeqloomError(
                "two documents have the same name", where=where, got=name, expected="a name for each document"
            )
        if name:
            names.add(name)
        yield Document(name or text[:_NAME_LENGTH], text)
