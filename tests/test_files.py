"""Files: compressed text in, whole files or none out, and what the system refuses is said."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, read_blocks, read_lines, reading, write_atomic, writing

LINES = ["first", "", " with blanks ", "ünï 語", "\u2028 is no line end", "last"]


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("text.txt", bytes),
        ("text.gz", gzip.compress),
        ("text.xz", lzma.compress),
        ("crlf.txt", lambda text: text.replace(b"\n", b"\r\n")),
        ("bom.txt", lambda text: b"\xef\xbb\xbf" + text),
        ("no end.txt", lambda text: text.removesuffix(b"\n")),
        ("two parts.gz", lambda text: gzip.compress(text[:9]) + gzip.compress(text[9:])),
    ],
)
def test_lines_are_the_text(tmp_path: Path, name: str, encode: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(encode("".join(f"{line}\n" for line in LINES).encode()))
    assert list(read_lines(tmp_path / name)) == LINES


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("ü\nb\n".encode())))
    assert list(read_lines("-")) == ["ü", "b"]


class Arriving(io.RawIOBase):
    """What is written to standard input, a piece at a time."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read1(self, size: int) -> bytes:  # noqa: ARG002
        return self.pieces.pop(0) if self.pieces else b""


def test_standard_input_is_read_in_blocks_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    arriving = Arriving(b"one\ntwo\nth", b"ree\n", b"fo", b"u", b"r\n5\n6\n7\n8\nla", b"st")
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": arriving}))
    blocks = read_blocks(read_lines("-"), "-", 3)
    assert next(blocks) == ["one", "two"]
    assert len(arriving.pieces) == 5
    assert list(blocks) == [["three"], ["four", "5", "6"], ["7", "8"], ["last"]]


def test_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("1\n2\n3\n4\n5\n")
    path = str(tmp_path / "text.txt")
    assert list(read_blocks(read_lines(path), path, 2)) == [["1", "2"], ["3", "4"], ["5"]]


def test_the_lines_before_a_broken_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"good\n\xe4 bad\n")
    lines = read_lines(path)
    assert next(lines) == "good"
    with pytest.raises(SeqloomError) as caught:
        next(lines)
    assert caught.value.where == f"{path}:2"
    assert not isinstance(caught.value, RequestError)


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_a_cut_file_is_said_to_be_broken(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(compress(os.urandom(5_000).hex().encode())[:-20])
    with pytest.raises(SeqloomError, match="the compressed file is broken"):
        list(read_lines(path))


@pytest.mark.parametrize("suffix", ["txt", "gz", "xz"])
def test_what_may_not_be_read_is_named(tmp_path: Path, suffix: str) -> None:
    missing, folder = tmp_path / f"missing.{suffix}", tmp_path / f"folder.{suffix}"
    folder.mkdir()
    for path, what in ((missing, "does not exist"), (folder, "this is a folder")):
        with pytest.raises(RequestError, match=what) as caught:
            list(read_lines(path))
        assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("number", "kind", "what"),
    [
        (errno.ENOENT, RequestError, "does not exist"),
        (errno.ENOTDIR, RequestError, "does not exist"),
        (errno.EISDIR, RequestError, "this is a folder"),
        (errno.EACCES, RequestError, "cannot be read"),
        (errno.EIO, SeqloomError, "could not be read"),
    ],
)
def test_refused_reads_say_what_is_wrong(number: int, kind: type[SeqloomError], what: str) -> None:
    with pytest.raises(SeqloomError, match=what) as caught, reading("a.txt"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert caught.value.where == "a.txt"


@pytest.mark.parametrize(
    ("number", "kind", "what"),
    [
        (errno.ENOSPC, SeqloomError, "no space left"),
        (errno.EDQUOT, SeqloomError, "no space left"),
        (errno.EFBIG, SeqloomError, "no space left"),
        (errno.EACCES, RequestError, "cannot be written to"),
        (errno.EROFS, RequestError, "cannot be written to"),
        (errno.ENOTDIR, RequestError, "there is a file where a folder should be"),
        (errno.EIO, SeqloomError, "could not be written"),
    ],
)
def test_refused_writes_say_what_is_wrong(number: int, kind: type[SeqloomError], what: str) -> None:
    with pytest.raises(SeqloomError, match=what) as caught, writing(Path("out")):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert caught.value.where == "out"


@pytest.mark.parametrize(("content", "stored"), [("täxt", "täxt".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_a_file_is_written_whole(tmp_path: Path, content: str | bytes, stored: bytes) -> None:
    for _ in range(2):
        write_atomic(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == stored
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    program = """
import resource, sys
from pathlib import Path
from seqloom.errors import SeqloomError
from seqloom.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
try:
    write_atomic(Path(sys.argv[1]), "x" * 100_000)
except SeqloomError as error:
    print(error.what)
"""
    result = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "there is no space left on the disk"
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_rename_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "refused", str(self), str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(RequestError, match="cannot be written to"):
        write_atomic(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "occupied").touch()
    for attempt in (
        lambda: write_atomic(tmp_path / "occupied" / "file", "x"),
        lambda: make_folder(tmp_path / "occupied"),
        lambda: make_folder(tmp_path / "occupied" / "folder"),
    ):
        with pytest.raises(RequestError, match="there is a file where a folder should be"):
            attempt()


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()
