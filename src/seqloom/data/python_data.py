"""Data from Python (lines, tuples, dictionaries, frames) as the content of a file."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from seqloom.data.input_checks import check_text, shown
from seqloom.errors import RequestError


def file_content(data: Any) -> tuple[Iterator[bytes], str, str]:
    """The content of a file that holds the data, what it consists of (`frame`, `rows` or `lines`), and the suffix of
    the format. Raises RequestError, when the content is read, for an item that is not a line of text."""
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _parquet(data), "frame", ".parquet"
    if isinstance(data, Mapping):
        raise RequestError(
            "data is one table, not several by name",
            got=shown(list(data)),
            hint='take one of them, such as data["train"]',
        )
    if not isinstance(data, Iterable):
        raise RequestError("data is a path, or lines", got=shown(data), expected="a path, lines, rows or a frame")
    items = iter(data)
    first = next(items, None)
    items = items if first is None else itertools.chain([first], items)
    if isinstance(first, Mapping):
        return _objects(items, class_names_of(data)), "rows", ".jsonl"
    return _encoded(cast(Iterable[str | Sequence[str]], items)), "lines", ".txt"


def class_names_of(data: Any) -> dict[str, Sequence[str]]:
    """The names of the classes by column, of a `datasets.Dataset`."""
    features = getattr(data, "features", None) or {}
    return {name: names for name, feature in features.items() if (names := getattr(feature, "names", None))}


def _objects(items: Iterable[Any], class_names: Mapping[str, Sequence[str]]) -> Iterator[bytes]:
    """Dictionaries as JSON Lines."""
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise RequestError("a row is not a dictionary", where=f"item {number}", got=shown(item))
        named = {name: names[item[name]] for name, names in class_names.items() if isinstance(item.get(name), int)}
        try:
            yield json.dumps({**item, **named}, ensure_ascii=False).encode() + b"\n"
        except (TypeError, ValueError) as error:
            expected = "text, numbers and lists of them"
            raise RequestError(
                "a row cannot be read", where=f"item {number}", got=str(error), expected=expected
            ) from None


def _parquet(frame: Any) -> Iterator[bytes]:
    """A frame of polars or pandas as Parquet, with the index if it has a name or holds dates."""
    import polars as pl

    if not isinstance(frame, pl.DataFrame):
        if frame.index.name is not None or frame.index.dtype.kind == "M":
            frame = frame.reset_index(names=frame.index.name or "time")
        frame = pl.DataFrame({str(name): frame[name].to_numpy() for name in frame.columns}, strict=False)
    content = io.BytesIO()
    frame.write_parquet(content)
    yield content.getvalue()


def _encoded(lines: Iterable[str | Sequence[str]]) -> Iterator[bytes]:
    for number, item in enumerate(lines, 1):
        where = f"item {number}"
        columns = [item] if isinstance(item, str) else list(item) if isinstance(item, tuple | list) else []
        if not columns or not all(isinstance(column, str) for column in columns):
            expected = "a line of text, or its columns as a tuple"
            raise RequestError(
                "data from Python consists of lines of text", where=where, got=shown(item), expected=expected
            )
        check_text(columns, where)
        if isinstance(item, str):
            columns = [item.rstrip("\n")]
        elif any("\t" in column for column in columns):
            raise RequestError("a column contains a tab", where=where, got=shown(item), expected="text without tabs")
        if any("\n" in column for column in columns):
            raise RequestError("an item is one line of text", where=where, got=shown(item), expected="no line break")
        yield "\t".join(columns).encode() + b"\n"
