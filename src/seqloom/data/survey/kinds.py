"""What kind of data a path holds, judged by its name and its first rows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from seqloom.data.frames import is_number
from seqloom.data.input_source import COLUMNAR, JSON_LINES, files_of, is_table, suffix_of
from seqloom.data.readers import labelled as labelled_reader
from seqloom.data.readers import lines as lines_reader
from seqloom.data.readers import pairs as pairs_reader
from seqloom.data.readers import tagged as tagged_reader
from seqloom.data.readers.tagged_steps import holds_tags, tags_differ_within
from seqloom.data.sound.sound_file import SUFFIXES
from seqloom.data.tables.columns import Role, columns_text, names_several, select, with_group
from seqloom.data.tables.formats import open_table
from seqloom.data.targets import look_like_numbers, separator_of_sets
from seqloom.errors import RequestError
from seqloom.files import read_lines

Name = Literal[
    "text", "pairs", "labelled texts", "labelled numbers", "tagged sentences", "tagged numbers", "series", "recordings",
    "analogies", "rated pairs", "described vectors", "table",
]  # fmt: skip

_WORDS_OF_TEXTS = 8
_ROWS = 2_000
"""The first rows, by which the kind is judged."""


class Kind(NamedTuple):
    """`layout`: the format and its columns in words. `columns`: the roles of columns that must be chosen, because they
    would not be recognised."""

    name: Name
    layout: str
    columns: Mapping[str, str] = MappingProxyType({})


def recognise(path: str) -> Kind:
    """The kind of the data at `path`. Raises SeqloomError where its first rows cannot be read."""
    if _holds_recordings(path):
        return Kind("recordings", "a zip archive" if path.lower().endswith(".zip") else "a folder of recordings")
    files = files_of(path)
    first = files[0]
    several = f"{len(files):,} files, the first one: " if len(files) > 1 else ""
    kind = _of_table(first) if is_table(first) else _of_text(first)
    return kind._replace(layout=several + kind.layout)


def kind_of_columns(path: str, columns: Mapping[str, str]) -> Kind:
    """The kind of data whose columns have these roles. Raises RequestError where no kind has them, or the file has no
    such columns."""
    file = files_of(path)[0]
    for name, known_roles in _TABLES:
        roles = with_group(known_roles, columns) if name in ("labelled texts", "pairs") else known_roles
        required = {role.name for role in roles if not role.is_optional}
        if required & set(columns) and set(columns) <= {role.name for role in roles}:
            several = names_several(columns.get("label", ""))
            single = {role: column for role, column in columns.items() if not (several and role == "label")}
            places, _ = select(
                open_table(file), single, [role for role in roles if role.name != "label" or not several]
            )
            used = ", ".join(f"{role} is column {place + 1}" for role, place in places.items())
            used += f", labels are columns {columns['label']}" if several else ""
            return Kind(name, f"{_format_name(file)}: {used}", columns)
    raise RequestError(
        "no kind of data has these columns",
        where="columns",
        got=columns_text(columns),
        expected="; or ".join(", ".join(role.name for role in roles) for _, roles in _TABLES),
    )


def _holds_recordings(path: str) -> bool:
    if path.lower().endswith(".zip"):
        return True
    folder = Path(path)
    return folder.is_dir() and any(
        file.suffix.lower() in SUFFIXES for file in itertools.islice(folder.rglob("*"), _ROWS)
    )


_TABLES: tuple[tuple[Name, tuple[Role, ...]], ...] = (
    ("tagged sentences", tagged_reader.ROLES),
    ("labelled texts", labelled_reader.ROLES),
    ("pairs", pairs_reader.ROLES),
    ("text", lines_reader.ROLES),
)


def _of_table(path: str) -> Kind:
    table = open_table(path)
    names: Sequence[str] = table.names or [str(cell) for cell in next(table.rows, ((), ()))[1]]
    layout = f"{_format_name(path)}, {len(names)} column{'' if len(names) == 1 else 's'}"
    for name, roles in _TABLES:
        if name == "tagged sentences" and not _has_names(names, roles):
            continue
        try:
            places, rows = select(open_table(path), {}, roles)
        except RequestError:
            continue
        row = next(rows, None)
        if name != "text" and row is None:
            continue
        if name == "text" and row is not None and _is_vector(row.cells):
            return Kind("described vectors", f"{layout}: {_shortened(names)}")
        if name in ("pairs", "labelled texts") and labelled_reader.holds_numbers(path):
            continue
        used = ", ".join(f"{role} is {_column(names, place, path)}" for role, place in places.items())
        if name == "labelled texts" and not _has_names(names, roles):
            return _of_two_columns(path, layout)
        return Kind(name, f"{layout}: {used}")
    if suffix_of(path) in (".csv", *COLUMNAR) and _is_series(path):
        return Kind("series", f"{layout}: {_shortened(names)}")
    if labelled_reader.holds_numbers(path):
        return Kind("tagged numbers" if tags_differ_within(path) else "labelled numbers", layout)
    return Kind("table", f"{layout}: {_shortened(names)}")


def _is_vector(cells: Sequence[object]) -> bool:
    """Whether all cells but the text, and perhaps a name, are numbers or lists of them, and there are several."""
    lists = any(isinstance(cell, list) for cell in cells)
    numbers = sum(isinstance(cell, int | float) or is_number(str(cell)) for cell in cells)
    return lists or numbers >= max(3, len(cells) - 2)


def _column(names: Sequence[str], place: int, path: str) -> str:
    return f"{place + 1}" if suffix_of(path) == ".csv" and is_number(str(names[place])) else f"{names[place]!r}"


def _has_names(names: Sequence[str], roles: Sequence[Role]) -> bool:
    lowercase = {name.strip().lower().rpartition(".")[2] for name in names}
    return all(role.is_optional or role.names & lowercase for role in roles)


def _format_name(path: str) -> str:
    if Path(path).is_dir():
        return "a dataset on disk" if (Path(path) / "state.json").exists() else "a folder for each label"
    return {".csv": "CSV", ".parquet": "Parquet", **dict.fromkeys(JSON_LINES, "JSON Lines")}.get(
        suffix_of(path), "Arrow" if suffix_of(path) in COLUMNAR else "TSV"
    )


def _is_series(path: str) -> bool:
    from seqloom.data.series.columns import ColumnSettings, recognised_columns
    from seqloom.data.series.frame import read_frame

    frame = read_frame(path)
    try:
        recognised_columns(frame, ColumnSettings(), path)
    except RequestError:
        return False
    return True


def _of_two_columns(path: str, layout: str) -> Kind:
    """Two columns without names: labels and texts if one of them has few different values, otherwise pairs."""
    rows = [[str(cell) for cell in row.cells] for row in itertools.islice(open_table(path).rows, _ROWS)]
    cells = [row for row in rows if len(row) == 2]
    first, second = (_are_labels([row[place] for row in cells]) for place in (0, 1))
    if first or _are_sets_or_numbers(cells):
        return Kind("labelled texts", f"{layout}: the label, the text")
    if second:
        return Kind("labelled texts", f"{layout}: the text, the label", {"label": "2", "text": "1"})
    return Kind("pairs", f"{layout}: the source, the target")


def _are_sets_or_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of two columns has combinations of a few labels, or numbers beside texts. Numbers without a
    decimal point are also the sources of short texts that spell them."""
    counts = Counter(row[0] for row in rows)
    if not look_like_numbers(counts):
        return bool(separator_of_sets(counts))
    words = sorted(len(row[1].split()) for row in rows)[len(rows) // 2]
    return words >= _WORDS_OF_TEXTS or sum("." in text for text in counts) > len(counts) / 2


def _are_labels(cells: Sequence[str]) -> bool:
    """Whether a column has short values, few of them different. In a sorted file, all of the first rows may have
    one."""
    words = sum(len(cell.split()) for cell in cells) / max(len(cells), 1)
    return len(set(cells)) <= max(0.1 * len(cells), min(10, len(cells) / 2)) and words <= 3


def _of_text(path: str) -> Kind:
    if suffix_of(path) == ".npz" and holds_tags(path):
        return Kind("tagged numbers", "a NumPy archive")
    if suffix_of(path) == ".npz":
        return Kind("described vectors", "a NumPy archive")
    if suffix_of(path) == ".ts":
        return Kind("labelled numbers", "series with labels, the .ts format of the UEA and UCR archives")
    rows = list(itertools.islice(read_lines(path), _ROWS))
    lines = [line for line in rows if line.strip()]
    body = [line for line in lines if not line.startswith("#")] or lines
    if not body:
        raise RequestError("there are no lines of text", where=path)
    if body and body[0].startswith(":") and all(len(line.split()) == 4 or line.startswith(":") for line in body):
        return Kind("analogies", "four words on each line, in sections")
    form, _ = tagged_reader.recognise(enumerate(rows, 1), path)
    widths = Counter(line.count("\t") + 1 for line in body)
    width = widths.most_common(1)[0][0] if widths else 1
    has_sentences = sum(not line.strip() for line in rows[:-1]) > 0 and len(rows) > 2
    if form == "conllu" or (form == "conll" and (width == 1 or (has_sentences and not _has_spaces(body)))):
        return Kind("tagged sentences", "CoNLL-U" if form == "conllu" else f"CoNLL, {len(body[0].split())} columns")
    if width == 3 and sum(is_number(line.split("\t")[2]) for line in body if line.count("\t") == 2) > 0.9 * len(body):
        return Kind("rated pairs", "3 columns separated by tabs: two words or texts and a score")
    if width > 2 and suffix_of(path) in (".tsv", ".tab") and (kind := _of_table(path)).name != "table":
        return kind
    if width == 2:
        return _of_two_columns(path, "2 columns separated by tabs")
    if width == 1:
        return Kind("text", "a sentence or paragraph on each line")
    cells = body[0].split("\t")
    return Kind("table", f"{width} columns separated by tabs, such as {_shortened(cells)}")


def _has_spaces(body: Sequence[str]) -> bool:
    return sum(" " in line for line in body) > 0.1 * len(body)


def _shortened(cells: Sequence[str]) -> str:
    shown = [cell if len(cell) <= 20 else f"{cell[:18]}.." for cell in (str(cell) or "(no name)" for cell in cells[:8])]
    return ", ".join(shown) + (", .." if len(cells) > 8 else "")
