"""What a user names as data (a file, several files, a folder, standard input, lines from Python), as files on disk."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from seqloom.errors import RequestError, SeqloomError
from seqloom.files import STANDARD_INPUT, make_folder, reading, writing

DataSource = str | Path | Iterable[str | Sequence[str]]
"""A path (`-` is standard input), or the lines of a file as strings or tuples of columns, such as pairs; for series
also a frame of polars or pandas."""

DELIMITED, JSON_LINES, COLUMNAR = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson"), (".parquet", ".arrow", ".feather")
"""The suffixes of tables."""

DATASET_STATE, _DATASET_SPLITS = "state.json", "dataset_dict.json"
"""What the library `datasets` writes into the folder of a dataset, and into that of several splits."""

_SUFFIXES = (".txt", ".conll", ".conllu", ".ts", ".npz", *DELIMITED, *JSON_LINES, *COLUMNAR)
_BYTES_AT_ONCE = 1 << 20


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


def path_of(data: DataSource, cache: Path) -> str:
    """The path of the data; lines and frames are copied to a file in `cache`. Raises RequestError for an item that is
    not a line of text."""
    if isinstance(data, str | Path):
        return str(data)
    from seqloom.data.python_data import file_content

    return _copy(*file_content(data), cache)


def saved_splits(folder: str) -> dict[str, str]:
    """The splits of a saved `DatasetDict` by the roles `data`, `valid` and `test`; empty for any other path."""
    path = Path(folder) / _DATASET_SPLITS
    with reading(folder):
        if not path.is_file():
            return {}
    try:
        names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))["splits"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SeqloomError("the dataset could not be read", where=str(path), got=repr(error)) from None
    roles = {"data": ("train",), "valid": ("validation", "valid", "dev"), "test": ("test",)}
    paths = {role: next((n for n in choices if n in names), None) for role, choices in roles.items()}
    if paths["data"] is None:
        raise RequestError(
            "the dataset has no split train", where=folder, got=", ".join(names), hint="name one of them"
        )
    return {role: str(Path(folder) / name) for role, name in paths.items() if name is not None}


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


def files_of(path: str) -> list[str]:
    """The files that a path denotes, in alphabetical order: itself, the data files in a folder and its subfolders,
    those that a glob pattern matches, or several separated by commas. A folder that is one table stays as it is.

    Raises RequestError for a folder or a pattern without data files.
    """
    if path == STANDARD_INPUT or "\0" in path:
        return [path]
    if Path(path).is_dir():
        with reading(path):
            if is_one_table(path):
                return [path]
            files = [str(file) for file in sorted(Path(path).rglob("*")) if _is_data(file)]
        if not files:
            raise RequestError("the folder holds no data files", where=path, expected=", ".join(_SUFFIXES))
        return files
    if Path(path).exists():
        return [path]
    if any(mark in path for mark in "*?["):
        files = sorted(file for file in glob.glob(path, recursive=True) if Path(file).is_file())  # noqa: PTH207
        if not files:
            raise RequestError("no file matches the pattern", where=path)
        return files
    parts = path.split(",")
    return parts if len(parts) > 1 and all(Path(part).is_file() for part in parts) else [path]


def _is_data(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and suffix_of(file.name) in _SUFFIXES


def content_hash(path: str) -> str:
    """The SHA-256 of a file, or of the names and contents of several."""
    files = files_of(path)
    if files == [path] and not Path(path).is_dir():
        return _file_hash(path)
    inner = [str(file) for part in files for file in ([Path(part)] if Path(part).is_file() else _all_files(part))]
    digest = hashlib.sha256()
    for file in inner:
        digest.update(f"{Path(file).name}\0{_file_hash(file)}\0".encode())
    return digest.hexdigest()


def _all_files(folder: str) -> list[Path]:
    return [file for file in sorted(Path(folder).rglob("*")) if file.is_file()]


def _file_hash(path: str) -> str:
    with reading(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_one_table(folder: str) -> bool:
    return (Path(folder) / DATASET_STATE).exists() or is_label_folder(Path(folder))


def is_label_folder(folder: Path) -> bool:
    """Whether the folder has only subfolders, at least two, with `.txt` files: a folder for each label."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    folders = [entry for entry in entries if entry.is_dir()]
    return len(folders) > 1 and len(folders) == len(entries) and all(any(f.glob("*.txt")) for f in folders)


def suffix_of(path: str) -> str:
    """The suffix of a file in lowercase, without that of its compression."""
    name = PurePath(path.lower())
    return name.with_suffix("").suffix if name.suffix in (".gz", ".xz") else name.suffix


def is_table(path: str) -> bool:
    """Whether the name says that the file is a table in any case; `.tsv` files may also be plain pairs or labels."""
    return suffix_of(path) in (".csv", *JSON_LINES, *COLUMNAR) or Path(path).is_dir()
