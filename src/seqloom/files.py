"""Reading and writing files: compressed text in, whole files or none out."""

from __future__ import annotations

import contextlib
import errno
import functools
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from seqloom.errors import RequestError, SeqloomError

STANDARD_INPUT = "-"


def opened(path: str) -> BinaryIO:
    """The bytes of a file (`.gz` and `.xz` unpacked), or of standard input."""
    if path == STANDARD_INPUT:
        return sys.stdin.buffer
    if path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.endswith(".xz"):
        return cast(BinaryIO, lzma.open(path, "rb"))
    return Path(path).open("rb")


def _lines_of(path: str) -> contextlib.AbstractContextManager[Iterable[bytes]]:
    return contextlib.nullcontext(_standard_input(sys.stdin.buffer)) if path == STANDARD_INPUT else opened(path)


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns the operating system's refusals to read `path` into errors that say what is wrong."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError("the file does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise RequestError("a file is wanted and this is a folder", where=str(path)) from None
    except PermissionError:
        raise RequestError("the file may not be read", where=str(path)) from None
    except OSError as error:
        raise SeqloomError("the file could not be read", where=str(path), got=str(error)) from None


def read_lines(path: str | Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 text file (`.gz` and `.xz` as they are, `-` is standard input) without line ends.

    Raises SeqloomError with `file:line` where a line is not UTF-8, and where a compressed file is broken.
    """
    path = str(path)
    number = 0
    with reading(path), _lines_of(path) as lines:
        try:
            for number, raw in enumerate(lines, 1):
                yield _decoded(raw, path, number)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise SeqloomError(
                "the compressed file is broken", where=f"{path}, after line {number}", got=str(error)
            ) from None


T = TypeVar("T")


def read_blocks(items: Iterator[T], path: str, most: int) -> Iterator[list[T]]:
    """Yields the `items` that are read from `path`, up to `most` at a time.

    Of standard input, those that are there: whoever writes a line and waits for the answer gets it.
    """
    block: list[T] = []
    for item in items:
        block.append(item)
        if len(block) == most or (path == STANDARD_INPUT and not _standard_input(sys.stdin.buffer).ahead):
            yield block
            block = []
    if block:
        yield block


class _Arriving:
    """The lines of a stream as they are written to it; `ahead` of them are whole and not yet taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.ahead = cast(io.BufferedReader, stream), 0

    def __iter__(self) -> Iterator[bytes]:
        begun: list[bytes] = []
        while chunk := self._stream.read1(1 << 16):
            *whole, rest = chunk.split(b"\n")
            if whole:
                whole[0] = b"".join([*begun, whole[0]])
                begun.clear()
            begun.append(rest)
            self.ahead = len(whole)
            for line in whole:
                self.ahead -= 1
                yield line
        if last := b"".join(begun):
            yield last


@functools.lru_cache(maxsize=1)
def _standard_input(stream: BinaryIO) -> _Arriving:
    """A process has one, so who reads its lines and who asks what is ahead share it."""
    return _Arriving(stream)


def _decoded(raw: bytes, path: str, number: int) -> str:
    """A line without its end."""
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SeqloomError(
            "a line is not UTF-8 text",
            where=f"{path}:{number}",
            got=f"byte 0x{error.object[error.start]:02x} at column {error.start + 1}",
            expected="UTF-8",
            hint="convert the file, for example with: iconv -f latin1 -t utf-8",
        ) from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals to write at `path` into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SeqloomError(
                "there is no room left to write",
                where=str(path),
                got=error.strerror,
                hint="what was saved before is whole; free some space, then go on with --resume",
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RequestError("the folder may not be written to", where=str(path), got=error.strerror) from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise RequestError("a file stands where a folder is wanted", where=str(path)) from None
        raise SeqloomError("the file could not be written", where=str(path), got=str(error)) from None


def make_folder(path: Path) -> Path:
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def writing_atomic(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the whole file, or leaves what was there where anything fails: a temporary file
    beside it, flushed, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with temporary.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes the whole file or leaves what was there."""
    with writing_atomic(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
