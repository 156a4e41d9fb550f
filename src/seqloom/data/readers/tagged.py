"""Sentences with or without tags, in CoNLL columns, CoNLL-U or plain text; the format is recognised."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from seqloom.data.input_source import is_table, suffix_of
from seqloom.data.readers import readers
from seqloom.data.readers.conll import (
    NumberedLine,
    Sentence,
    Target,
    column_of,
    conll,
    conll_rows,
    numbered,
    numbered_column,
    split_columns,
    with_features,
    words_of,
)
from seqloom.data.readers.conllu import COLUMNS, FORM, column_number, conllu, conllu_rows
from seqloom.data.readers.header_row import SENTENCE_NAMES, TAG_NAMES, WORD_NAMES
from seqloom.data.tables.columns import Role, cell_text, parse_columns, select
from seqloom.data.tables.formats import open_table
from seqloom.data.tables.table import TableRow
from seqloom.errors import RequestError, SeqloomError

Words = tuple[str, ...]
Format = Literal["conll", "conllu", "lines"]

_SPAN_TAG = re.compile(r"O|[BIESLUM][-_]\S+")


ROLES = (
    Role("word", frozenset(WORD_NAMES)),
    Role("tag", frozenset(TAG_NAMES)),
    Role("sentence", frozenset(SENTENCE_NAMES), is_optional=True),
)
_INPUT_ROLES = (ROLES[0], ROLES[1]._replace(is_optional=True), ROLES[2])


def tagged(
    path: str,
    target: Target = "auto",
    columns: str = "",
    auxiliary: Sequence[Target] = (),
    features: Sequence[Target] = (),
) -> Iterator[Sentence]:
    """Yields the sentences of a CoNLL-U file, which is recognised by its name or content, of CoNLL columns, or of a
    table whose rows are sentences or, with a column for the sentence, words. `columns`: see `parse_columns`.
    `auxiliary`: the columns of more annotations. `features`: the columns of the features of words, which become part of
    them (`dog￨NN`)."""
    chosen_columns = parse_columns(columns)
    if is_table(path):
        yield from _table_sentences(path, chosen_columns, ROLES, auxiliary=auxiliary, features=features)
        return
    if chosen_columns:
        word, tag = _column_numbers(chosen_columns)
        yield from conll(path, tag, word, auxiliary, features)
        return
    kind, _ = recognise(numbered(path), path)
    if kind == "conllu":
        yield from conllu(path, target, auxiliary, features)
    else:
        yield from conll(path, target, auxiliary=auxiliary, features=features)


def other_columns(path: str, columns: str = "") -> tuple[int, ...]:
    """The columns of a CoNLL file without the word and the tag that `tagged` reads; none of another file."""
    if is_table(path):
        return ()
    kind, lines = recognise(numbered(path), path)
    rows = next(conll_rows(lines, path), None) if kind == "conll" else None
    if rows is None:
        return ()
    width, chosen_columns = len(rows[0].columns), parse_columns(columns)
    used = _column_numbers(chosen_columns) if chosen_columns else (1, width)
    return tuple(number for number in range(1, width + 1) if number not in used)


def _column_numbers(columns: dict[str, str]) -> tuple[int, int]:
    """The columns of word and tag in a CoNLL file."""
    numbers = {role: columns.get(role, default) for role, default in (("word", "1"), ("tag", "2"))}
    if set(columns) - set(numbers) or not all(number.isdigit() and int(number) for number in numbers.values()):
        raise RequestError(
            "CoNLL columns are chosen by number", where="columns", got=columns, expected="such as word=1,tag=4"
        )
    return int(numbers["word"]), int(numbers["tag"])


def _table_sentences(
    path: str,
    columns: dict[str, str],
    roles: tuple[Role, ...],
    keeps_empty: bool = False,
    auxiliary: Sequence[Target] = (),
    features: Sequence[Target] = (),
) -> Iterator[Sentence]:
    """Yields the sentences, without those that have no word unless `keeps_empty`; without tags where there is no column
    for them. A cell may be a list, or words separated by whitespace; in a table with a column for the sentence, rows
    with the same name, or with an empty one, belong to the sentence above."""
    others = [f"auxiliary {column}" for column in auxiliary]
    # A number is that of a column in other files: a table to evaluate needs no auxiliary columns.
    columns = columns | {f"auxiliary {column}": column for column in auxiliary if isinstance(column, str)}
    optional = tuple(Role(name, frozenset(), is_optional=True) for name in others)
    of_words = {f"feature {column}": str(column) for column in features}
    required = tuple(Role(name, frozenset()) for name in of_words)
    places, rows = select(open_table(path), columns | of_words, (*roles, *required, *optional))
    if "sentence" in places:
        yield from _grouped(rows, places, others, list(of_words))
        return
    for row in rows:
        items = {role: _items(row, place) for role, place in places.items()}
        words = items["word"]
        for role, labels in items.items():
            is_missing = role in others and not labels
            if len(labels) != len(words) and not is_missing:
                raise SeqloomError(
                    f"there is not one {role} for each word", where=row.where,
                    got=f"{len(words)} words, {len(labels)} in the other column",
                    expected="the same number of both",
                )  # fmt: skip
        if words or keeps_empty:
            of_sentence = with_features(words, [items[role] for role in of_words], row.where)
            auxiliary_tags = tuple(items.get(role) or ("",) * len(words) for role in others)
            yield Sentence(of_sentence, items.get("tag", ()), auxiliary_tags)


def _grouped(
    rows: Iterator[TableRow], places: dict[str, int], auxiliary: Sequence[str], features: Sequence[str]
) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    others: list[list[str]] = [[] for _ in auxiliary]

    def sentence() -> Sentence:
        return Sentence(tuple(words), tuple(tags), tuple(map(tuple, others)))

    name = ""
    for row in rows:
        row_name = cell_text(row, places["sentence"])
        if words and row_name and row_name != name:
            yield sentence()
            words, tags, others = [], [], [[] for _ in auxiliary]
        name = row_name or name
        cells = {role: cell_text(row, places[role]) for role in ("word", "tag", *features) if role in places}
        if empty := next((role for role, cell in cells.items() if not cell), None):
            raise SeqloomError(f"the {empty} is empty", where=row.where, expected="text in each cell")
        words += with_features([cells["word"]], [[cells[role]] for role in features], row.where)
        tags.append(cells.get("tag", ""))
        for column, role in zip(others, auxiliary, strict=True):
            column.append(cell_text(row, places[role]) if role in places else "")
    if words:
        yield sentence()


def _items(row: TableRow, place: int) -> Words:
    cell = row.cells[place] if place < len(row.cells) else None
    items = cell if isinstance(cell, list | tuple) else cell_text(row, place).split()
    return tuple("" if item is None else str(item) for item in items)


def inputs_of(
    path: str, columns: str = "", features: Sequence[Target] = ()
) -> Iterator[Words | tuple[tuple[str, str | None], ...]]:
    """Yields the words of each sentence of a CoNLL or CoNLL-U file, or of each line of plain text, where whitespace
    separates the words and a line may be empty. `columns`: see `parse_columns`; with a column `known`, each word comes
    with its tag in this column, or with None where it is `_`. `features`: the columns of the features of words, which
    are a part of the words in plain text already (`dog￨NN`)."""
    chosen_columns = parse_columns(columns)
    known = chosen_columns.pop("known", None)
    if is_table(path):
        if known is not None:
            chosen_columns["tag"] = known
        for sentence in _table_sentences(path, chosen_columns, _INPUT_ROLES, keeps_empty=True, features=features):
            yield sentence.words if known is None else _with_known(sentence.words, sentence.tags)
        return
    kind, lines = recognise(numbered(path), path)
    if kind == "lines":
        if known is not None:
            raise RequestError("plain text has no columns", where=path, got=f"known={known}", expected="CoNLL columns")
        yield from (tuple(line.split()) for _, line in lines)
        return
    sentences = conllu_rows(lines, path) if kind == "conllu" else conll_rows(lines, path)
    number = chosen_columns.get("word", "1")  # a name is that of a column of the training data, which was a table
    word = FORM if kind == "conllu" else int(number) if number.isdigit() else 1
    number_of = column_number if kind == "conllu" else numbered_column
    feature_columns = [number_of(column, "data.features") for column in features]
    for rows in sentences:
        words = words_of(rows, word, feature_columns, path)
        yield words if known is None else _with_known(words, column_of(rows, _known_column(known, kind), path))


def _known_column(known: str, kind: Format) -> int:
    if kind == "conllu":
        return column_number(int(known) if known.isdigit() else known)
    return _column_numbers({"tag": known})[1]


def _with_known(words: Words, tags: Words) -> tuple[tuple[str, str | None], ...]:
    return tuple((word, None if tag in ("", "_") else tag) for word, tag in zip(words, tags, strict=True))


def recognise(lines: Iterable[NumberedLine], path: str) -> tuple[Format, Iterator[NumberedLine]]:
    """The format of a file, and all its lines. The format follows from the name (`.conllu`, `.conll`, also compressed)
    or from the first sentence: ten tab-separated columns that begin with a number are CoNLL-U; other tab-separated
    columns, or at least two lines that all end in `O`, `B-X` or the like, are CoNLL columns. All else is plain text."""
    stream = iter(lines)
    suffix = suffix_of(path)
    if suffix in (".conllu", ".conll"):
        return ("conllu" if suffix == ".conllu" else "conll"), stream
    seen: list[NumberedLine] = []
    tags = 0
    for line in stream:
        seen.append(line)
        if (decided := _by_line(line[1])) is not None:
            return decided, itertools.chain(seen, stream)
        if _ends_in_tag(line[1]):
            tags += 1
        elif not line[1].startswith("#"):
            break
    return ("conll" if tags > 1 else "lines"), itertools.chain(seen, stream)


def _by_line(line: str) -> Format | None:
    """The format, if this line alone tells it; None for a comment, which may contain anything."""
    if line.startswith("#"):
        return None
    if "\t" in line:
        columns = line.split("\t")
        return "conllu" if len(columns) == len(COLUMNS) and columns[0][:1].isdigit() else "conll"
    return "conll" if line.startswith("-DOCSTART-") else None


def _ends_in_tag(line: str) -> bool:
    columns = split_columns(line)
    return len(columns) > 1 and _SPAN_TAG.fullmatch(columns[-1]) is not None


readers.register("tagged", "Tagged sentences in CoNLL columns or CoNLL-U; the format is recognised.")(tagged)
