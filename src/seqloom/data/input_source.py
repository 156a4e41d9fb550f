"""Data that can be read only once (standard input, pipes, lines from Python), copied to a file in the cache."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

from seqloom.data.input_checks import check_text, shown
from seqloom.data.tables.folders import saved_splits
from seqloom.errors import RequestError
from seqloom.files import STANDARD_INPUT, make_folder, reading, writing

DataSource = str | Path | Iterable[str | Sequence[str]]
"""A path (`-` is standard input), or the lines of a file as strings or tuples of columns, such as pairs; for series
also a frame of polars or pandas."""

_BYTES_AT_ONCE = 1 << 20


def rereadable(path: str, cache: Path) -> str:
    """`path` if it is a file on disk; for standard input (`-`), a pipe or a device, the path of a copy in `cache`."""
    if path == STANDARD_INPUT:
        return _copy(_blocks(sys.stdin.buffer), "stdin", "", cache)
    with reading(path):
        if not Path(path).exists() or Path(path).is_file() or Path(path).is_dir():
            return path  # the reader reports a missing file
        with Path(path).open("rb") as stream:
            return _copy(_blocks(stream), "pipe", "".join(PurePath(path).suffixes), cache)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_BYTES_AT_ONCE), b"")


def path_of(data: DataSource, cache: Path) -> str:
    """The path of the data; lines and frames are copied to a file in `cache`. Raises RequestError for an item that is
    not a line of text."""
    if isinstance(data, str | Path):
        return str(data)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _copy(_parquet(data), "frame", ".parquet", cache)
    if isinstance(data, Mapping):
        raise RequestError(
            "data is one table, not several by name",
            got=shown(list(data)),
            hint='take one of them, such as data["train"]',
        )
    items = iter(data)
    first = next(items, None)
    items = items if first is None else itertools.chain([first], items)
    if isinstance(first, Mapping):
        return _copy(_objects(items, class_names_of(data)), "rows", ".jsonl", cache)
    return _copy(_encoded(cast(Iterable[str | Sequence[str]], items)), "lines", "", cache)


def paths_of(
    data: DataSource, valid: DataSource | None, test: DataSource | None, cache: Path
) -> tuple[str, str | None, str | None]:
    """The paths of the training, validation and test data. The splits of a saved `DatasetDict` are used unless others
    are named."""
    path = path_of(data, cache)
    held_out = [None if part is None else path_of(part, cache) for part in (valid, test)]
    splits = saved_splits(path)
    if splits:
        return splits["data"], held_out[0] or splits.get("valid"), held_out[1] or splits.get("test")
    return path, held_out[0], held_out[1]


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


def _copy(content: Iterable[bytes], name: str, suffix: str, cache: Path) -> str:
    """Writes the content to a file that is named by its hash and returns the path. `suffix` tells the format."""
    temporary = make_folder(cache) / f".{name}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        with writing(cache), temporary.open("wb") as stream:
            for block in content:
                digest.update(block)
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
        copy = cache / f"{name}-{digest.hexdigest()[:16]}{suffix or '.txt'}"
        with writing(copy):
            temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
    return str(copy)
