"""Reading and writing files: compressed text in, whole files or none out."""

from __future__ import annotations

import contextlib
import errno
import functools
import gzip
import hashlib
import io
import itertools
import lzma
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from seqloom.errors import RequestError, SeqloomError, warn

STANDARD_INPUT = "-"


LONGEST_UNPACKED_LINE = 128 << 20
"""Bytes. A compressed file can hold a thousand times its own size, and a line is held in memory."""


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The bytes of a file (`.gz` and `.xz` unpacked), or of standard input."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    with Path(path).open("rb", buffering=0) as file, _buffered(file, path) as stream:
        if path.endswith(".gz"):
            with gzip.open(stream) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif path.endswith(".xz"):
            with lzma.open(stream) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield stream


def _buffered(file: io.FileIO, path: str) -> BinaryIO:
    raw = _HashedFile(file, _hashed_paths[path]) if path in _hashed_paths else file
    return cast(BinaryIO, io.BufferedReader(raw, 1 << 17))


@contextlib.contextmanager
def hashed_reads(path: str) -> Iterator[list[str]]:
    """The SHA-256 of the file `path` as each pass within the block read it from its beginning to its end."""
    hashes = _hashed_paths[path] = []
    try:
        yield hashes
    finally:
        del _hashed_paths[path]


_hashed_paths: dict[str, list[str]] = {}


class _HashedFile(io.RawIOBase):
    """A file that is read in order; where that comes to its end, the hash of the content is added to `hashes`."""

    def __init__(self, file: io.FileIO, hashes: list[str]) -> None:
        self._file, self._hashes, self._digest, self._is_at_end = file, hashes, hashlib.sha256(), False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._file.readinto(buffer) or 0
        self._digest.update(memoryview(buffer)[:size])
        if not size and not self._is_at_end:
            self._hashes.append(self._digest.hexdigest())
            self._is_at_end = True
        return size


@contextlib.contextmanager
def _lines_of(path: str) -> Iterator[Iterable[bytes]]:
    if path == STANDARD_INPUT:
        yield _standard_input(sys.stdin.buffer)
        return
    with opened(path) as stream:
        yield _bounded_lines(stream, path) if path.endswith((".gz", ".xz")) else stream


def _bounded_lines(stream: BinaryIO, path: str) -> Iterator[bytes]:
    """Raises SeqloomError at a line that is too long to be held."""
    for number in itertools.count(1):
        line = stream.readline(LONGEST_UNPACKED_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_UNPACKED_LINE:
            raise SeqloomError(
                "a line of a compressed file is too long",
                where=f"{path}:{number}",
                got=f"more than {LONGEST_UNPACKED_LINE >> 20} MiB",
                hint="if the file is what it should be, unpack it first",
            )
        yield line


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
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SeqloomError("the compressed file is broken", where=str(path), got=str(error)) from None
    except OSError as error:
        raise SeqloomError("the file could not be read", where=str(path), got=str(error)) from None
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise RequestError("a file's name cannot hold a NUL character", where=repr(str(path))) from None


def read_lines(path: str | Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 text file (`.gz` and `.xz` as they are, `-` is standard input) without line ends.

    Raises SeqloomError with `file:line` where a line is not UTF-8 text, and where a compressed file is broken.
    """
    path = str(path)
    number, is_warned = 0, False
    with reading(path), _lines_of(path) as lines:
        try:
            for number, raw in enumerate(lines, 1):
                line = _decoded(raw, path, number)
                if "\r" in line and not is_warned:
                    is_warned = True
                    _warn_of_carriage_return(line, f"{path}:{number}")
                yield line
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
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _not_utf8(path, number, "the byte order mark of UTF-16", "utf-16")
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw:
        is_utf16 = raw.count(b"\0") >= len(raw) // 3
        raise _not_utf8(path, number, "NUL characters", "utf-16" if is_utf16 else None)
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{error.object[error.start]:02x} at column {error.start + 1}"
        raise _not_utf8(path, number, byte, "latin1") from None


def _warn_of_carriage_return(line: str, where: str) -> None:
    warn(
        "a line holds a carriage return, which ends no line here",
        where=where,
        got=repr(line[:40]),
        expected="lines that end in a line feed, with or without a carriage return before it",
        hint="of a file with the line ends of old Macs, make lines with: tr '\\r' '\\n'",
    )


def _not_utf8(path: str, number: int, got: str, encoding: str | None) -> SeqloomError:
    return SeqloomError(
        "a line is not UTF-8 text",
        where=f"{path}:{number}",
        got=got,
        expected="UTF-8",
        hint=encoding and f"convert the file, for example with: iconv -f {encoding} -t utf-8",
    )


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
