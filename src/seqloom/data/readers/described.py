"""Vectors, or sequences of them, with a text each: tables, NumPy archives and `.ts` files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.example import Frames
from seqloom.data.input_source import COLUMNAR, suffix_of
from seqloom.data.readers import readers
from seqloom.data.readers.archive import checked, read_archive, sequences
from seqloom.data.readers.table import SERIES_NAMES, rows
from seqloom.data.readers.ts_format import cases
from seqloom.data.tables.columnar_file import read_columnar
from seqloom.data.tables.columns import column_place, only_column
from seqloom.errors import SeqloomError

TEXT_NAMES = ("text", "texts", "caption", "captions", "description", "sentence", "name", "label", "class", "target")


class Described(NamedTuple):
    """`frames`: (steps, channels), one step of many channels where it is a vector."""

    frames: Frames
    text: str


@readers.register("described", "Vectors or sequences of vectors with a text each: tables, .npz, .ts.")
def described(path: str, columns: str = "") -> Iterator[Described]:
    """Yields the examples of a file whose name says its format.

    A table has the text in the chosen column (`columns`: see `parse_columns`), else in one named text, caption,
    description or label, else in the last one; the others are numbers, in Parquet and Arrow files also lists of
    numbers. With a column named id, series or sequence, the rows that follow each other with one name are the steps of
    one sequence. A NumPy archive (`.npz`) has `texts` and `vectors`, (examples, channels) or (examples, steps,
    channels), and with `lengths` the steps of each. A `.ts` file has the text as the class of a case. Raises
    SeqloomError with `file:line`.
    """
    for number, (text, frames) in enumerate(_examples(path, columns, labelled=True), 1):
        if text is None or not text.split():
            raise SeqloomError("an example has no text", where=f"{path}, example {number}", expected="a word or more")
        yield Described(frames, " ".join(text.split()))


def undescribed(path: str, columns: str = "") -> Iterator[Frames]:
    """What is to be described: the vectors of a file, without the texts that it may have."""
    return (frames for _, frames in _examples(path, columns, labelled=False))


def _examples(path: str, columns: str, labelled: bool) -> Iterator[tuple[str | None, Frames]]:
    kind, text = suffix_of(path), only_column(path, columns, "text")
    if kind == ".npz":
        return _of_archive(path, labelled)
    if kind in COLUMNAR:
        return _of_columnar(path, labelled, text)
    if kind == ".ts":
        return iter(cases(path))
    return rows(path, labelled, TEXT_NAMES, text)


def _of_archive(path: str, labelled: bool) -> Iterator[tuple[str | None, Frames]]:
    arrays = read_archive(path)
    frames, texts, vectors = sequences(arrays, path), arrays.get("texts"), arrays.get("vectors")
    if labelled and texts is None:
        raise SeqloomError("the archive has no texts", where=path, got=", ".join(sorted(arrays)), expected="`texts`")
    if texts is None or vectors is None:
        yield from ((None, row) for row in frames)
        return
    if texts.ndim != 1 or len(texts) != len(vectors) or texts.dtype.kind != "U":
        raise SeqloomError(
            "vectors and texts do not belong together", where=path, got=f"{texts.shape} texts, {len(vectors)} vectors",
            expected="a text for each vector",
        )  # fmt: skip
    yield from zip(map(str, texts), frames, strict=True)


def _of_columnar(path: str, labelled: bool, text_column: str) -> Iterator[tuple[str | None, Frames]]:
    import polars as pl

    table = read_columnar(path)
    names = {column.lower(): column for column in table.columns}
    texts = [column for column, kind in table.schema.items() if kind == pl.String]
    text = next((names[name] for name in TEXT_NAMES if names.get(name) in texts), texts[-1] if texts else None)
    if text_column and (labelled or text_column in table.columns):
        text = table.columns[column_place("text", text_column, table.columns, len(table.columns), path)]
    series = next((names[name] for name in SERIES_NAMES if name in names), None)
    if labelled and text is None:
        raise SeqloomError("no column has the texts", where=path, got=", ".join(table.columns)[:80], expected="text")
    numbers = table.drop([column for column in {text, series} if column is not None])
    values = _numbers(numbers, path)
    ends = [0, *range(1, len(table) + 1)]
    if series is not None:
        changes = table[series] != table[series].shift(1)
        ends = [*(place for place, change in enumerate(changes) if change is not False), len(table)]
    for number, (start, end) in enumerate(itertools.pairwise(ends), 1):
        label = None if text is None else table[text][start]
        yield label, checked(values[start:end], f"{path}, example {number}")


def _numbers(table: Any, path: str) -> NDArray[np.float64]:
    """(rows, channels): columns of numbers, and of lists of numbers of one length."""
    import polars as pl

    parts = []
    for column in table.columns:
        values, kind = table[column], table.schema[column]
        if isinstance(kind, pl.List | pl.Array):
            widths = values.list.len().unique() if isinstance(kind, pl.List) else [kind.shape[0]]
            if len(widths) != 1 or values.null_count():
                raise SeqloomError(
                    "the lists of a column differ in length", where=f"{path}, column {column}",
                    got=f"{len(widths)} lengths", expected="as many numbers in each row",
                )  # fmt: skip
            values = np.array(values.to_list(), object)
        try:
            part = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values, np.float64)
        except (TypeError, ValueError):
            raise SeqloomError(
                "a column holds no numbers", where=f"{path}, column {column}", got=str(kind), expected="numbers"
            ) from None
        parts.append(part[:, None] if part.ndim == 1 else part)
    if not parts:
        raise SeqloomError("a table has columns of numbers beside the text", where=path, got="none")
    return np.concatenate(parts, axis=1)
