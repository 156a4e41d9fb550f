"""Which column of a table is what: chosen by number or by name, otherwise recognised by the names of the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from seqloom.data.input_source import is_table, suffix_of
from seqloom.data.tables.formats import open_table
from seqloom.data.tables.table import Table, TableRow
from seqloom.errors import RequestError, SeqloomError, unknown_name, warn


class Role(NamedTuple):
    """What a column can be used for. `names`: lowercase names of columns that are recognised. `may_be_empty`: a cell of
    the column may. `joined`: what stands between the items of a list when they become text."""

    name: str
    names: frozenset[str]
    is_optional: bool = False
    may_be_empty: bool = False
    joined: str = " "


GROUP = Role(
    "group", frozenset({"group", "author", "document", "lemma", "patient", "speaker", "user"}), is_optional=True
)
"""The column that says which examples are related. It is only used where it is chosen; its names tell a header."""


def with_group(roles: tuple[Role, ...], columns: Mapping[str, str]) -> tuple[Role, ...]:
    """The roles, and that of the group where it is chosen."""
    return (*roles, GROUP) if GROUP.name in columns else roles


def parse_columns(text: str) -> dict[str, str]:
    """`source=3,target=German` as `{"source": "3", "target": "German"}`. Raises RequestError for another form."""
    columns: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not role or not column or role in columns:
            raise RequestError(
                "columns are chosen as role=column",
                where="columns",
                got=text,
                expected="such as source=3,target=German",
            )
        columns[role] = column
    return columns


def only_column(path: str, columns: str, role: str) -> str:
    """The chosen column of the one role that a table of numbers has, or nothing. Raises RequestError for another role,
    or a file without columns."""
    chosen_columns = parse_columns(columns)
    for name in chosen_columns:
        if name != role:
            raise unknown_name("role of a column of numbers", name, [role], where="columns")
    if chosen_columns and suffix_of(path) in (".npz", ".ts"):
        raise RequestError("the file has no columns to choose", where=path, got=columns, hint="leave out --columns")
    return chosen_columns.get(role, "")


def columns_text(columns: Mapping[str, str | int]) -> str:
    """The columns as `parse_columns` reads them. Raises RequestError for a name that contains a comma."""
    for column in columns.values():
        if "," in str(column):
            raise RequestError(
                "the name of a column contains a comma",
                where="columns",
                got=column,
                expected="the number of the column",
            )
    return ",".join(f"{role}={column}" for role, column in columns.items())


def _checked(text: str) -> str:
    try:
        parse_columns(text)
    except RequestError as error:
        raise ValueError(error.expected) from None
    return text


ColumnChoice = Annotated[str, AfterValidator(_checked)]
"""The type of a setting such as `source=3,target=German`."""


def columns_field(roles: Sequence[str]) -> Any:
    """The setting that chooses the columns of these roles."""
    example = ",".join(f"{role}={number}" for number, role in enumerate(roles, 2))
    return Field(
        "",
        validate_default=False,
        description=f"the columns of the data by number or name, such as {example}; empty: recognised",
    )


def reads_as_table(path: str, columns: Mapping[str, str], roles: Sequence[Role]) -> bool:
    """Whether a file is read as a table: its columns are chosen, its format is that of a table, or it is a TSV file
    with other columns besides those of the required roles, and a header that names them."""
    if columns or is_table(path):
        return True
    if suffix_of(path) not in (".tsv", ".tab"):
        return False
    first = next(open_table(path).rows, None)
    required = sum(not role.is_optional for role in roles)
    return first is not None and len(first.cells) > required and _names_columns(first.cells, {}, roles)


def inputs_are_table(path: str, columns: Mapping[str, str]) -> bool:
    """Whether inputs to predict are in a column of a table; otherwise each line of the file is an input."""
    return is_table(path) or (bool(columns) and suffix_of(path) in (".tsv", ".tab"))


def select(
    table: Table, columns: Mapping[str, str], roles: Sequence[Role]
) -> tuple[dict[str, int], Iterator[TableRow]]:
    """The position of the column of each role, and the rows without a header.

    Raises RequestError if a column does not exist, or the column of a required role is neither chosen nor recognised.
    """
    for name in columns:
        if name not in {role.name for role in roles}:
            raise unknown_name("role of a column", name, [role.name for role in roles], where="columns")
    names, rows = table.header(lambda cells: _names_columns(cells, columns, roles))
    first = next(rows, None)
    width = len(names) or (len(first.cells) if first is not None else 0)
    optional = {role.name for role in roles if role.is_optional}
    places = {
        name: column_place(name, column, names, width, table.path)
        for name, column in columns.items()
        if name not in optional or column in names or (column.isdigit() and int(column) <= width)
    }
    for role in roles:
        is_chosen = role.name in columns  # a misspelt name chooses no other column
        if not is_chosen and (place := _recognised(names, role.names, places.values())) is not None:
            places[role.name] = place
    required = [role.name for role in roles if not role.is_optional]
    missing = [name for name in required if name not in places]
    if missing and not columns and not names and width == len(required):
        places, missing = dict(zip(required, range(width), strict=True)), []
    if missing and first is not None:
        example = ",".join(f"{name}={number}" for number, name in enumerate(missing, 1))
        raise RequestError(
            f"it is not clear which column is the {missing[0]}",
            where=table.path if names else first.where,
            got=", ".join(names) if names else f"{width} column{'' if width == 1 else 's'} without names",
            expected=f"a column named {', '.join(sorted(_role(roles, missing[0]).names)[:5])} or such",
            hint=f"choose columns by number or name: --columns {example}",
        )
    return places, _all_rows(first, rows)


def _all_rows(first: TableRow | None, rows: Iterator[TableRow]) -> Iterator[TableRow]:
    if first is not None:
        yield first
        yield from rows


def _role(roles: Sequence[Role], name: str) -> Role:
    return next(role for role in roles if role.name == name)


def _names_columns(cells: Sequence[str], columns: Mapping[str, str], roles: Sequence[Role]) -> bool:
    """Whether the first row of a file without typed columns is a header: it contains the names that were chosen, or
    the columns of all required roles have recognised names."""
    lowercase = [str(cell).strip().lower() for cell in cells]
    if any(not column.isdigit() for column in columns.values()):
        return True  # a wrong name is reported with the names that there are
    if columns:
        numbers = {role: int(number) - 1 for role, number in columns.items()}
        return all(
            0 <= place < len(cells) and lowercase[place] in _role(roles, role).names for role, place in numbers.items()
        )
    taken: set[int] = set()
    for role in roles:
        place = _recognised(cells, role.names, taken)
        if place is not None:
            taken.add(place)
        elif not role.is_optional:
            return False
    return True


def _recognised(names: Sequence[str], known: frozenset[str], taken: Any) -> int | None:
    """The first column with a known name that is not taken; of `translation.en`, the name is `en`."""
    for place, name in enumerate(names):
        if str(name).strip().lower().rpartition(".")[2] in known and place not in taken:
            return place
    return None


def column_place(role: str, column: str, names: Sequence[str], width: int, where: str) -> int:
    """The position of the column that is chosen for a role. Raises RequestError if it does not exist."""
    if column in names:
        return list(names).index(column)
    if not column.isdigit():
        raise unknown_name("column", column, names, where=f"{where}, columns: {role}")
    if not 1 <= int(column) <= width:
        raise RequestError(
            f"there is no column {column}", where=f"{where}, columns: {role}", got=column, expected=f"1 to {width}"
        )
    return int(column) - 1


def texts_of(
    table: Table, columns: Mapping[str, str], roles: Sequence[Role], keeps_empty: bool = False
) -> Iterator[dict[str, str]]:
    """Yields the text of each role in each row: see `located_texts_of`."""
    return (texts for _, texts in located_texts_of(table, columns, roles, keeps_empty))


def located_texts_of(
    table: Table, columns: Mapping[str, str], roles: Sequence[Role], keeps_empty: bool = False
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the file and line of each row, and the text of each role in it, on one line. Rows in which a required text
    is empty are skipped, with one warning, unless `keeps_empty`."""
    places, rows = select(table, columns, roles)
    needed = {role.name for role in roles if not role.is_optional and not role.may_be_empty}
    skipped, first_skipped, role_skipped = 0, "", ""
    for row in rows:
        texts = {name: cell_text(row, place, _role(roles, name).joined) for name, place in places.items()}
        empty = next((name for name, text in texts.items() if not text and name in needed), None)
        if empty is None or keeps_empty:
            yield row.where, texts
            continue
        skipped, first_skipped, role_skipped = skipped + 1, first_skipped or row.where, role_skipped or empty
    if skipped:
        count = "1 row is" if skipped == 1 else f"{skipped:,} rows are"
        warn(f"{count} skipped: the {role_skipped} is empty", where=first_skipped)


def cell_text(row: TableRow, place: int, joined: str = " ") -> str:
    """A cell as one line of text, `joined` between the items of a list.

    Raises SeqloomError if the row has no such cell, or it holds an object."""
    if place >= len(row.cells):
        raise SeqloomError(
            "a row has too few columns", where=row.where, got=len(row.cells), expected=f"{place + 1} or more"
        )
    cell = row.cells[place]
    if cell is None or cell != cell:  # NaN differs from itself
        return ""
    if isinstance(cell, list | tuple):
        return joined.join(str(item) for item in cell)
    if isinstance(cell, dict | bytes):
        raise SeqloomError("a cell is not text", where=row.where, got=str(cell)[:60], expected="text or a number")
    return " ".join(str(cell).split()) if any(mark in str(cell) for mark in "\n\r\t") else str(cell).strip()


def several_columns(choice: str, names: Sequence[str]) -> dict[str, int] | None:
    """The positions of the columns of a choice of several by name, such as `2+5`, `3-8` or `sports+politics`; None if
    it is one column. Raises RequestError for a column that does not exist, and a range without any."""
    if choice in names or not names_several(choice):
        return None
    places = []
    for part in choice.split("+"):
        first, dash, last = part.partition("-")
        if part not in names and dash and first.isdigit() and last.isdigit():
            ends = [column_place("label", number, names, len(names), "the columns") for number in (first, last)]
            if ends[0] > ends[1]:
                raise RequestError("a range of columns is empty", where="columns", got=part, expected=f"{last}-{first}")
            places += list(range(ends[0], ends[1] + 1))
        else:
            places.append(column_place("label", part.strip(), names, len(names), "the columns"))
    return {str(names[place]): place for place in places}


def names_several(choice: str) -> bool:
    """Whether a choice of columns is of several ones."""
    first, _, last = choice.partition("-")
    return "+" in choice or (first.isdigit() and last.isdigit())
