"""Reading text files, also compressed ones, and writing files atomically."""

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
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from seqloom.errors import RequestError, SeqloomError, warn

STANDARD_INPUT = "-"


LONGEST_UNPACKED_LINE = 128 << 20
"""In bytes. A compressed file can expand to a thousand times its size, and each line is held in memory."""

ZIP_ERRORS = (
    zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""What Python's library raises for zip archives that are broken, encrypted or of an unknown kind."""

NPZ_ERRORS = (*ZIP_ERRORS, KeyError, SyntaxError, MemoryError, OverflowError, AttributeError, TypeError)
"""What numpy raises for archives of arrays that are broken, or that hold one array and are no archive."""


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
    """Collects the SHA-256 of the file `path` for each complete pass over it within the block."""
    hashes = _hashed_paths[path] = []
    try:
        yield hashes
    finally:
        del _hashed_paths[path]


_hashed_paths: dict[str, list[str]] = {}


class _HashedFile(io.RawIOBase):
    """A file that is read in order. At its end, the hash of its content is added to `hashes`."""

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
    """Yields the lines. Raises SeqloomError at a line that is too long for memory."""
    for number in itertools.count(1):
        line = stream.readline(LONGEST_UNPACKED_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_UNPACKED_LINE:
            raise SeqloomError(
                "a line of a compressed file is too long",
                where=f"{path}:{number}",
                got=f"more than {LONGEST_UNPACKED_LINE >> 20} MiB",
                hint="if the file is correct, unpack it first",
            )
        yield line


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns the errors of the operating system when it reads `path` into SeqloomErrors that say what is wrong."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError("the file does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise RequestError("a file is expected, and this is a folder", where=str(path)) from None
    except PermissionError:
        raise RequestError("the file cannot be read: permission denied", where=str(path)) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SeqloomError("the compressed file is broken", where=str(path), got=str(error)) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise RequestError("a file's name is too long", where=str(path)) from None
        raise SeqloomError("the file could not be read", where=str(path), got=str(error)) from None
    except ValueError as error:
        raise _wrong_name(error, path) from None


def _wrong_name(error: ValueError, path: str | Path) -> ValueError | RequestError:
    """What to raise for a ValueError of the operating system, or of the work with the file."""
    if "null byte" not in str(error):
        return error
    return RequestError("a file's name cannot hold a NUL character", where=repr(str(path)))


def read_lines(path: str | Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 text file without line ends. `.gz` and `.xz` files are unpacked; `-` is standard
    input.

    Raises SeqloomError with `file:line` where a line is not UTF-8 text or a compressed file is broken.
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

    Items of standard input are yielded as soon as no more are waiting, so that a program that writes a line and waits
    for the answer gets it.
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
    """The lines of a stream as they arrive. `ahead`: how many complete lines have arrived and are not yet taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.ahead = cast(io.BufferedReader, stream), 0

    def __iter__(self) -> Iterator[bytes]:
        begun: list[bytes] = []
        while chunk := self._stream.read1(1 << 16):
            *complete, incomplete = chunk.split(b"\n")
            if complete:
                complete[0] = b"".join([*begun, complete[0]])
                begun.clear()
            begun.append(incomplete)
            self.ahead = len(complete)
            for line in complete:
                self.ahead -= 1
                yield line
        if last := b"".join(begun):
            yield last


@functools.lru_cache(maxsize=1)
def _standard_input(stream: BinaryIO) -> _Arriving:
    """The reader of standard input; there is only one in a process."""
    return _Arriving(stream)


def _decoded(raw: bytes, path: str, number: int) -> str:
    """A line as text, without its line end."""
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
        "a line contains a carriage return, which does not end a line",
        where=where,
        got=repr(line[:40]),
        expected="lines that end with a line feed, or with a carriage return and a line feed",
        hint="if the file has the line ends of old Macs, convert them: tr '\\r' '\\n'",
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
    """Turns the errors of the operating system when it writes to `path` into SeqloomErrors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SeqloomError(
                "there is no space left on the disk",
                where=str(path),
                got=error.strerror,
                hint="what was saved before is complete; free some space, then continue with --resume",
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RequestError(
                "the folder cannot be written to: permission denied", where=str(path), got=error.strerror
            ) from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise RequestError("there is a file where a folder should be", where=str(path)) from None
        if error.errno == errno.ENAMETOOLONG:
            raise RequestError("a file's name is too long", where=str(path)) from None
        raise SeqloomError("the file could not be written", where=str(path), got=str(error)) from None
    except ValueError as error:
        raise _wrong_name(error, path) from None


def make_folder(path: Path) -> Path:
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def writing_atomic(path: Path) -> Iterator[BinaryIO]:
    """A stream for the complete new content of a file. It is written to a temporary file, flushed to the disk and then
    renamed; if anything fails, the old file stays as it was."""
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
    """Writes the complete file, or leaves the old one as it was."""
    with writing_atomic(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
