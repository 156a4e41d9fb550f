"""Data in several files: a folder, a glob pattern, or paths separated by commas."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path

from seqloom.data.tables.folders import is_one_table
from seqloom.data.tables.table import COLUMNAR, DELIMITED, JSON_LINES, suffix_of
from seqloom.errors import RequestError
from seqloom.files import STANDARD_INPUT, reading

_SUFFIXES = (".txt", ".conll", ".conllu", ".ts", ".npz", *DELIMITED, *JSON_LINES, *COLUMNAR)


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
