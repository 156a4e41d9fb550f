"""Reading and writing files: compressed text in, whole files or none out."""

from __future__ import annotations

import contextlib
import errno
import gzip
import itertools
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

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
    with reading(path), opened(path) as stream:
        try:
            for number, raw in enumerate(stream, 1):
                yield _decoded(raw, path, number)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise SeqloomError(
                "the compressed file is broken", where=f"{path}, after line {number}", got=str(error)
            ) from None


def read_blocks(path: str, most: int) -> Iterator[list[str]]:
    """Yields the lines of `read_lines`, up to `most` at a time.

    Of standard input, those that are there: whoever writes a line and waits for the answer gets it.
    """
    if path != STANDARD_INPUT:
        lines = read_lines(path)
        while block := list(itertools.islice(lines, most)):
            yield block
        return
    number, rest = 0, b""
    while chunk := sys.stdin.buffer.read1(1 << 16):  # type: ignore[union-attr]
        *whole, rest = (rest + chunk).split(b"\n")
        decoded = [_decoded(raw, path, number + i) for i, raw in enumerate(whole, 1)]
        number += len(whole)
        for start in range(0, len(decoded), most):
            yield decoded[start : start + most]
    if rest:
        yield [_decoded(rest, path, number + 1)]


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


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes the whole file or leaves what was there: a temporary file beside it, flushed, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with temporary.open("wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
