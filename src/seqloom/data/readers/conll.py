"""CoNLL columns: a line for each word with its annotations in columns; an empty line ends a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.data.readers.header_row import TAG_NAMES, WORD_NAMES, names_columns, warn_of_header
from seqloom.data.span_tags import TagSurvey
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines
from seqloom_portable.word_features import SEPARATOR

Target = int | str
"""The column of the tags: its number, counted from 1, its name if columns have names, or `auto`."""

NumberedLine = tuple[int, str]

_DOCUMENT = "-DOCSTART-"
_COMMENT = re.compile(r"#\s+[\w.-]+\s*[=:]\s|#(begin|end) document")


class Sentence(NamedTuple):
    """`tags[i]` is the tag of `words[i]`. `auxiliary`: the tags in each auxiliary column, empty where there is none."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    auxiliary: tuple[tuple[str, ...], ...] = ()


class Row(NamedTuple):
    """The columns of a word and the number of its line."""

    line: int
    columns: list[str]


def conll(
    path: str,
    target: Target = "auto",
    word: int = 1,
    auxiliary: Sequence[Target] = (),
    features: Sequence[Target] = (),
) -> Iterator[Sentence]:
    """Yields the sentences of a file of columns separated by spaces or tabs. The word is in the column `word`, its tag
    in the column `target`, its features in the columns `features`, and more annotations are in the columns `auxiliary`,
    where they exist.

    Lines that begin with `-DOCSTART-`, comments above a sentence and, with a warning, a header row are skipped. Raises
    SeqloomError with `file:line` if a line has another number of columns than the first, or no column `target`.
    """
    target_number = 0 if target == "auto" else numbered_column(target, "data.target")
    feature_columns = [numbered_column(column, "data.features") for column in features]
    survey = TagSurvey(path)
    for rows in conll_rows(numbered(path), path):
        number = target_number or max(len(rows[0].columns), 2)  # the last column, but never the word
        words, tags = words_of(rows, word, feature_columns, path), column_of(rows, number, path)
        survey.add(tags, (row.line for row in rows))
        yield Sentence(words, tags, auxiliary_tags(rows, auxiliary))
    survey.warn_of_odd_tags()


def numbered_column(column: Target, setting: str) -> int:
    """The number of a column. Raises RequestError for a name. `setting`: where it was chosen."""
    if not isinstance(column, int):
        expected = "the number of a column" + (", or auto" if setting == "data.target" else "")
        raise RequestError("CoNLL columns have no names", where=setting, got=column, expected=expected)
    return column


def words_of(rows: list[Row], word: int, features: Sequence[int], path: str) -> tuple[str, ...]:
    """The words of the rows, each with its features: `dog￨NN`."""
    cells = [column_of(rows, number, path, "data.features") for number in features]
    return with_features(column_of(rows, word, path), cells, path)


def with_features(words: Sequence[str], features: Sequence[Sequence[str]], where: str) -> tuple[str, ...]:
    """Each word with its cell of every column of `features`. Raises SeqloomError for a cell with the separator."""
    for cells in features:
        if separated := next((cell for cell in cells if SEPARATOR in cell), None):
            raise SeqloomError(f"a feature contains {SEPARATOR}", where=where, got=separated, expected="another sign")
    return tuple(map(SEPARATOR.join, zip(words, *features, strict=True)))


def auxiliary_tags(rows: list[Row], auxiliary: Sequence[Target]) -> tuple[tuple[str, ...], ...]:
    """The cells of the rows in each of these columns, counted from 1. They are empty where a column does not exist or
    has a name, as in a table: a file to evaluate needs no auxiliary columns."""
    numbers = [column if isinstance(column, int) else 0 for column in auxiliary]
    return tuple(tuple("".join(row.columns[max(n - 1, 0) : n]) for row in rows) for n in numbers)


def numbered(path: str) -> Iterator[NumberedLine]:
    return enumerate(read_lines(path), 1)


def sentence_lines(lines: Iterable[NumberedLine]) -> Iterator[list[NumberedLine]]:
    """Yields the lines of each sentence, which empty lines separate."""
    sentence: list[NumberedLine] = []
    for line in lines:
        if line[1].strip():
            sentence.append(line)
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def conll_rows(lines: Iterable[NumberedLine], path: str) -> Iterator[list[Row]]:
    """Yields the rows of each sentence, without comments and header. Raises SeqloomError if rows differ in width."""
    width, is_first = 0, True
    for numbered_lines in sentence_lines(lines):
        rows = [Row(number, split_columns(line)) for number, line in numbered_lines if not line.startswith(_DOCUMENT)]
        rows = _without_comments(rows, dict(numbered_lines), width)
        if rows and is_first:
            is_first, rows = False, _without_header(rows, path)
        for row in rows:
            width = width or len(row.columns)
            if len(row.columns) != width:
                raise SeqloomError(
                    "the lines differ in the number of columns",
                    where=f"{path}:{row.line}",
                    got=len(row.columns),
                    expected=f"{width}, as in the first line",
                )
        if rows:
            yield rows


def _without_comments(rows: list[Row], lines: Mapping[int, str], width: int) -> list[Row]:
    """The rows without the comments above them. A comment begins with `#`; it is a key with a value (`# sent_id = 3`,
    `# id 7 TAB domain=en`) or has another number of columns than the words."""
    width = width or next((len(row.columns) for row in rows if not row.columns[0].startswith("#")), 0)
    for place, row in enumerate(rows):
        line, columns = lines[row.line], row.columns
        if not line.startswith("#"):
            return rows[place:]
        is_other = bool(width) and len(columns) != width and re.match(r"#\s", line) is not None
        if not (is_other or any(c.isspace() for c in columns[0]) or _COMMENT.match(line)):
            return rows[place:]
    return []


def _without_header(rows: list[Row], path: str) -> list[Row]:
    columns = rows[0].columns
    if len(columns) > 1 and names_columns([columns[0], columns[-1]], WORD_NAMES, TAG_NAMES):
        warn_of_header(columns, f"{path}:{rows[0].line}")
        return rows[1:]
    return rows


def split_columns(line: str) -> list[str]:
    """The columns of a line, separated by tabs if it contains any (so that a word may contain a space), else by
    spaces."""
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return [column for column in line.split(" ") if column]


def column_of(rows: list[Row], number: int, path: str, setting: str = "data.target") -> tuple[str, ...]:
    """The cells of the rows in column `number`, counted from 1. `setting`: where it was chosen."""
    first = rows[0]
    if number > len(first.columns):
        raise SeqloomError(
            f"there is no column {number}",
            where=f"{path}:{first.line}",
            got=f"{len(first.columns)} column{'' if len(first.columns) == 1 else 's'}",
            expected="a word, and a tag in another column",
            hint=f"choose the column with --set {setting}=NUMBER",
        )
    for row in rows:
        if not row.columns[number - 1]:
            raise SeqloomError(f"column {number} is empty", where=f"{path}:{row.line}", expected="text in every column")
    return tuple(row.columns[number - 1] for row in rows)


readers.register("conll", "Sentences in columns, one word per line and its tag in the last column (CoNLL).")(conll)
