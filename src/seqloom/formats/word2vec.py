"""word2vec's file formats: text, as in fastText's `.vec` and GloVe's files, and binary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqloom.compiling import Array, compiled
from seqloom.errors import SeqloomError, warn
from seqloom.files import opened, reading, writing_atomic
from seqloom.formats.parse_number import parse_number
from seqloom.formats.vector_rows import ALL, MAX_DIM, Selection, VectorRows, check_dim, check_size
from seqloom.models.word_vectors.table import VectorTable

_MAX_WORD_BYTES = 1 << 16
_MAX_LINE_BYTES = _MAX_WORD_BYTES + 32 * MAX_DIM
_BLOCK_BYTES = 1 << 18
_HEADER = re.compile(rb"\s*([+-]?\d{1,19})[ \t]+([+-]?\d{1,19})\s*$")
_BOM = b"\xef\xbb\xbf"
_TOO_FEW, _NOT_A_NUMBER = -1, -2


def read_text(path: str, selection: Selection = ALL) -> VectorTable:
    """Reads one line for each word: the word and its numbers. The first line may have the number of words and the
    dimension. Fields are separated by spaces or tabs; a word may contain them, since the last fields are its vector.

    Raises SeqloomError with `file:line` if a line is broken; warns of duplicates.
    """
    with reading(path), opened(path) as stream:
        rows: VectorRows | None = None
        size, count, vector = 0, 0, np.zeros(0, np.float32)
        for number, line in _lines(stream, path):
            where = f"{path}:{number}"
            if rows is None:
                header = _HEADER.match(line)
                size, dim = (int(header[1]), int(header[2])) if header else (0, _dim_of_line(line))
                if header:
                    check_size(size, where)
                check_dim(dim, where) if header or dim else None
                if not dim:
                    raise SeqloomError("a line is not a word and its vector", where=where, got=_shown(line))
                rows, vector = VectorRows(path, dim, selection), np.empty(dim, np.float32)
                if header:
                    continue
            end = _split(np.frombuffer(line, np.uint8), vector)
            if end < 0:
                what = (
                    "a vector has a field that is not a number"
                    if end == _NOT_A_NUMBER
                    else "a line is not a word and its vector"
                )
                expected = f"a word and {rows.dim} numbers"
                raise SeqloomError(what, where=where, got=_shown(line), expected=expected)
            rows.add(line[:end], vector, where)
            count += 1
            if rows.is_complete():
                return rows.table()
    if rows is None:
        raise SeqloomError("the file has no vectors", where=path, expected="a word and numbers on each line")
    if size and count != size:
        _check_count(count, size, path)
    return rows.table()


def _check_count(count: int, size: int, path: str) -> None:
    """A file with fewer vectors than its header says was truncated; with more, all are read, with a warning."""
    got, expected = f"{count:,} vectors", f"{size:,}, as the first line says"
    if count < size:
        raise SeqloomError("the file of vectors is incomplete", where=path, got=got, expected=expected)
    warn("the file has more vectors than its first line says; all are used", where=path, got=got, expected=expected)


def _lines(stream: BinaryIO, path: str) -> Iterator[tuple[int, bytes]]:
    """The nonempty lines, with their numbers."""
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > _MAX_LINE_BYTES:
            raise SeqloomError("a line is too long for a word and its vector", where=f"{path}:{number}")
        if number == 1:
            line = line.removeprefix(_BOM)
        if line := line.strip(b" \t\r\n"):
            yield number, line


def _dim_of_line(line: bytes) -> int:
    """The number of fields at the end of a line that are numbers; at least one field is the word."""
    count = 0
    for field in reversed(line.split()[1:]):
        value = np.frombuffer(field, np.uint8)
        if np.isnan(parse_number(value, 0, len(value))) and field.lower() != b"nan":
            break
        count += 1
    return count


@compiled
def _split(line: Array, vector: Array) -> int:
    """Parses the last fields of a line into `vector`. Returns the end of the word before them, or an error code."""
    end = line.shape[0]
    for place in range(vector.shape[0] - 1, -1, -1):
        first = end
        while first > 0 and line[first - 1] != 32 and line[first - 1] != 9:
            first -= 1
        if first == 0:
            return _TOO_FEW
        value = parse_number(line, first, end)
        is_nan = end - first == 3 and (line[first] | 32) == 110 and (line[first + 1] | 32) == 97
        if value != value and not is_nan:
            return _NOT_A_NUMBER
        vector[place] = value
        end = first
        while end > 0 and (line[end - 1] == 32 or line[end - 1] == 9):
            end -= 1
        if end == 0:
            return _TOO_FEW
    return end


def _shown(line: bytes) -> str:
    return repr(line[:60].decode(errors="replace"))


def read_binary(path: str, selection: Selection = ALL) -> VectorTable:
    """Reads a first line with the number of words and the dimension, then for each word the word, a space, and its
    numbers as little-endian float32. Raises SeqloomError with the number of the word if the file is broken."""
    with reading(path), opened(path) as stream:
        header = _HEADER.match(stream.readline(64))
        if header is None:
            raise SeqloomError(
                "the file is not in word2vec's binary format",
                where=path,
                expected="the number of words and the dimension in the first line",
                hint="name a file of vectors as text without .bin",
            )
        size, dim = int(header[1]), int(header[2])
        check_size(size, f"{path}:1")
        check_dim(dim, f"{path}:1")
        rows, content = VectorRows(path, dim, selection), _Bytes(stream)
        for number in range(1, size + 1):
            where = f"{path}, word {number:,}"
            word, vector = content.until_space(_MAX_WORD_BYTES), content.exactly(4 * dim)
            if word is None or vector is None:
                if word is None and content.has_more():
                    raise SeqloomError("a word is too long", where=where, expected=f"at most {_MAX_WORD_BYTES} bytes")
                got, expected = f"{number - 1:,} vectors", f"{size:,}, as the first line says"
                raise SeqloomError("the file of vectors is incomplete", where=path, got=got, expected=expected)
            rows.add(word.lstrip(b"\r\n"), np.frombuffer(vector, "<f4"), where)
            if rows.is_complete():
                return rows.table()
        if content.exactly(1) not in (b"\n", b"\r", None) or content.exactly(1) not in (b"\n", None):
            raise SeqloomError(
                "the file continues after the last vector", where=path, expected=f"{size:,} vectors of {dim}"
            )
    return rows.table()


class _Bytes:
    """Reads a stream block by block."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._block, self._at = stream, b"", 0

    def has_more(self) -> bool:
        return self._at < len(self._block)

    def until_space(self, most: int) -> bytes | None:
        """The bytes before the next space, which is skipped; None if there is no space within `most` bytes."""
        while (end := self._block.find(b" ", self._at)) < 0:
            if len(self._block) - self._at > most or not self._read():
                return None
        word, self._at = self._block[self._at : end], end + 1
        return word if len(word) <= most else None

    def exactly(self, size: int) -> bytes | None:
        """The next `size` bytes; None if there are fewer."""
        while len(self._block) - self._at < size:
            if not self._read():
                return None
        first, self._at = self._at, self._at + size
        return self._block[first : self._at]

    def _read(self) -> bool:
        more = self._stream.read(_BLOCK_BYTES)
        self._block, self._at = self._block[self._at :] + more, 0
        return bool(more)


def write_vectors(table: VectorTable, path: Path, binary: bool) -> int:
    """Writes the file atomically, frequent words first. Returns the number of words; words with whitespace are left
    out."""
    ranked = ((place, table.words[place]) for place in table.frequent().tolist())
    places = [place for place, word in ranked if word and not any(map(str.isspace, word))]
    with writing_atomic(path) as stream:
        stream.write(f"{len(places)} {table.dim}\n".encode())
        stream.writelines(_binary_rows(table, places) if binary else _text_rows(table, places))
    return len(places)


def _text_rows(table: VectorTable, places: Sequence[int]) -> Iterator[bytes]:
    """Lines of words and numbers; nine digits determine a float32."""
    form = " ".join(["%.9g"] * table.dim)
    for place in places:
        yield f"{table.words[place]} {form % tuple(table.matrix[place].tolist())}\n".encode()


def _binary_rows(table: VectorTable, places: Sequence[int]) -> Iterator[bytes]:
    for place in places:
        yield f"{table.words[place]} ".encode() + table.matrix[place].astype("<f4").tobytes() + b"\n"
