"""Data that is no file: standard input, or lines from Python. It is read more than once, so it is kept in one."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from seqloom.errors import RequestError
from seqloom.files import STANDARD_INPUT, make_folder, writing

Given = str | Path | Iterable[str]
"""A path (`-` is standard input), or lines as they would stand in a file."""

_BYTES_AT_ONCE = 1 << 20


def keep_standard_input(path: str, cache: Path) -> str:
    """`path`, or for `-` that of a file that holds what standard input gave."""
    if path != STANDARD_INPUT:
        return path
    return _keep(iter(lambda: sys.stdin.buffer.read(_BYTES_AT_ONCE), b""), "stdin", cache)


def path_of(given: Given, cache: Path) -> str:
    """`given`, or where its lines are kept. Raises RequestError for what is not a line of text."""
    if isinstance(given, str | Path):
        return str(given)
    return _keep(_encoded(given), "lines", cache)


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str) or "\n" in line.rstrip("\n"):
            raise RequestError(
                "each item given as data is one line of text",
                where=f"item {number}",
                got=repr(line)[:80],
                expected="str",
            )
        yield line.rstrip("\n").encode() + b"\n"


def _keep(content: Iterable[bytes], name: str, cache: Path) -> str:
    """The path of a file named by its content, written whole."""
    temporary = make_folder(cache) / f".{name}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        with writing(cache), temporary.open("wb") as stream:
            for block in content:
                digest.update(block)
                stream.write(block)
        kept = cache / f"{name}-{digest.hexdigest()[:16]}.txt"
        with writing(kept):
            temporary.replace(kept)
    finally:
        temporary.unlink(missing_ok=True)
    return str(kept)
