"""fastText's binary files: words with counts, word vectors, and vectors of character n-grams."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from seqloom.errors import RequestError, SeqloomError
from seqloom.files import opened, reading, writing_atomic
from seqloom.formats.vector_rows import ALL, Selection, VectorRows, check_dim, check_size
from seqloom.models.word_vectors.subwords import SubwordSettings, add_ngrams
from seqloom.models.word_vectors.table import NGramVectors, VectorTable

MAGIC = struct.pack("<i", 793712314)
_VERSIONS = (11, 12)
_ARGUMENTS = struct.Struct("<12id")
_SIZES = struct.Struct("<3i2q")
_SUPERVISED, _SKIPGRAM, _NEGATIVE_SAMPLING = 3, 2, 2
_LINE_END = "</s>"
_MAX_WORD_BYTES = 1 << 16
_ROWS_AT_ONCE = 1 << 12


class _Header(NamedTuple):
    """The fixed fields at the start of a file. `maxn` 0: the model has no character n-grams."""

    dim: int
    buckets: int
    minn: int
    maxn: int
    words: int


def is_fasttext(path: str) -> bool:
    """Whether a file begins like fastText's binary files."""
    with reading(path), opened(path) as stream:
        return stream.read(4) == MAGIC


def fasttext_dim(path: str) -> int:
    """The dimension of the vectors, from the header alone."""
    with reading(path), opened(path) as stream:
        return _read_header(_Source(stream, path)).dim


def read_fasttext(path: str, selection: Selection = ALL) -> VectorTable:
    """Reads a model that is not quantised, with its character n-grams, so that unknown words have vectors too. A word's
    vector is the mean of its own row and those of its n-grams (Bojanowski et al. 2017, section 3.2).

    Raises SeqloomError if the file is broken, and RequestError if it is quantised.
    """
    with reading(path), opened(path) as stream:
        source = _Source(stream, path)
        header = _read_header(source)
        words, counts = _read_words(source, header.words)
        _check_not_quantised(source)
        rows, dim = source.unpack(struct.Struct("<2q"))
        if dim != header.dim or rows < header.words or (header.maxn and rows != header.words + header.buckets):
            raise SeqloomError("fastText's file is damaged", where=path, got=f"a matrix of {rows} rows of {dim}")
        matrix = _read_rows(source, header.words, dim)
        ngrams = None
        if header.maxn:
            ngrams = NGramVectors(_read_rows(source, header.buckets, dim), _subword_settings(header, path))
    return _table(path, words, counts, matrix, ngrams, selection)


def _table(
    path: str,
    words: list[bytes],
    counts: NDArray[np.int64],
    matrix: NDArray[np.float32],
    ngrams: NGramVectors | None,
    selection: Selection,
) -> VectorTable:
    if ngrams is not None:
        compose(words, matrix, ngrams)
    rows, places = VectorRows(path, matrix.shape[1], selection), []
    for place, word in enumerate(words):
        if rows.add(word, matrix[place], f"{path}, word {place + 1:,}"):
            places.append(place)
        if rows.is_complete():
            break
    read = rows.table()
    table = VectorTable(read.words, read.matrix, counts[places], ngrams, path)
    table.check_finite()
    return table


def compose(words: list[bytes], rows: NDArray[np.float32], ngrams: NGramVectors) -> None:
    """Replaces each word's row, in place, by the mean of this row and those of its character n-grams."""
    for word, row in zip(words, rows, strict=True):
        if word.decode(errors="replace") != _LINE_END:
            row /= np.float32(add_ngrams(np.frombuffer(b"<" + word + b">", np.uint8), *_arguments(ngrams), row) + 1)


def own_rows(words: list[bytes], vectors: NDArray[np.float32], ngrams: NGramVectors) -> NDArray[np.float32]:
    """The rows from which `compose` computes the `vectors`, up to rounding."""
    rows = np.empty_like(vectors)
    for place, word in enumerate(words):
        total = np.zeros(vectors.shape[1], np.float32)
        count = 0
        if word.decode(errors="replace") != _LINE_END:
            count = add_ngrams(np.frombuffer(b"<" + word + b">", np.uint8), *_arguments(ngrams), total)
        rows[place] = vectors[place] * np.float32(count + 1) - total
    return rows


def _arguments(ngrams: NGramVectors) -> tuple[NDArray[np.float32], int, int]:
    return ngrams.vectors, ngrams.settings.shortest, ngrams.settings.longest


def _subword_settings(header: _Header, path: str) -> SubwordSettings:
    try:
        return SubwordSettings(longest=header.maxn, shortest=max(header.minn, 1), buckets=header.buckets)
    except ValidationError as error:
        subword_fields = f"n-grams of {header.minn} to {header.maxn} characters in {header.buckets} buckets"
        raise SeqloomError("fastText's file is damaged", where=path, got=subword_fields) from error


class _Source:
    """Reads a file as fixed structures and bytes."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream, self.path = stream, path

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            raise SeqloomError("fastText's file is incomplete", where=self.path)
        return content

    def unpack(self, structure: struct.Struct) -> tuple[Any, ...]:
        return structure.unpack(self.read(structure.size))

    def word(self) -> bytes:
        """The bytes up to the next NUL."""
        word = bytearray()
        while (byte := self.read(1)) != b"\0":
            word += byte
            if len(word) > _MAX_WORD_BYTES:
                raise SeqloomError("a word is too long", where=self.path, expected=f"at most {_MAX_WORD_BYTES} bytes")
        return bytes(word)


def _read_header(source: _Source) -> _Header:
    magic, version = source.read(4), *source.unpack(struct.Struct("<i"))
    if magic != MAGIC or version not in _VERSIONS:
        raise SeqloomError("this is not a file of fastText", where=source.path, got=f"version {version}")
    dim, _, _, _, _, _, _, model, buckets, minn, maxn, _, _ = source.unpack(_ARGUMENTS)
    check_dim(dim, source.path)
    entries, words, labels, _, pruned = source.unpack(_SIZES)
    check_size(words, source.path)
    if entries != words + labels or labels < 0 or buckets < 0 or minn < 0 or maxn < 0:
        raise SeqloomError("fastText's file is damaged", where=source.path, got=f"{entries} entries, {words} words")
    if pruned > 0:
        raise _quantised(source.path)
    if labels:
        num_labels = f"{labels} labels"
        raise RequestError("this is a classifier of fastText, not word vectors", where=source.path, got=num_labels)
    if (version == _VERSIONS[0] and model == _SUPERVISED) or not buckets:
        maxn = 0
    return _Header(dim, buckets, minn, maxn, words)


def _read_words(source: _Source, size: int) -> tuple[list[bytes], NDArray[np.int64]]:
    words: list[bytes] = []
    counts: list[int] = []
    for _ in range(size):
        words.append(source.word())
        count, _ = source.unpack(struct.Struct("<qb"))
        counts.append(max(count, 0))
    return words, np.array(counts, np.int64)


def _check_not_quantised(source: _Source) -> None:
    if source.read(1) != b"\0":
        raise _quantised(source.path)


def _quantised(path: str) -> RequestError:
    return RequestError("a quantised model of fastText cannot be read", where=path, expected="a .bin, not an .ftz")


def _read_rows(source: _Source, size: int, dim: int) -> NDArray[np.float32]:
    """(size, dim). Memory grows with the bytes read, since the file may be shorter than its header says."""
    matrix = np.empty((0, dim), np.float32)
    for first in range(0, size, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, size - first)
        block = np.frombuffer(source.read(4 * dim * count), "<f4").reshape(count, dim)
        if first + count > len(matrix):
            larger = np.empty((min(size, max(first + count, 2 * len(matrix))), dim), np.float32)
            larger[:first] = matrix[:first]
            matrix = larger
        matrix[first : first + count] = block
    return matrix


def write_fasttext(table: VectorTable, path: Path) -> int:
    """Writes a skip-gram model of fastText atomically, frequent words first. The output vectors, which only further
    training needs, are zeros. Returns the number of words; words with whitespace or NUL are left out."""
    ranked = ((place, table.words[place]) for place in table.frequent().tolist())
    places = [place for place, word in ranked if word and "\0" not in word and not any(map(str.isspace, word))]
    words, vectors = [table.words[place].encode() for place in places], np.asarray(table.matrix[places], "<f4")
    # Without counts, they decrease from word to word, which keeps the order of the words.
    counts = np.arange(len(places), 0, -1) if table.counts is None else np.maximum(table.counts[places], 1)
    buckets, shortest, longest = 0, 0, 0
    if table.ngrams is not None:
        settings = table.ngrams.settings
        buckets, shortest, longest = settings.buckets, settings.shortest, settings.longest
        vectors = own_rows(words, vectors, table.ngrams)
    arguments = (table.dim, 5, 5, 1, 5, 1, _NEGATIVE_SAMPLING, _SKIPGRAM, buckets, shortest, longest, 100, 1e-4)
    with writing_atomic(path) as stream:
        stream.write(MAGIC + struct.pack("<i", _VERSIONS[-1]) + _ARGUMENTS.pack(*arguments))
        stream.write(_SIZES.pack(len(words), len(words), 0, int(counts.sum()), -1))
        for word, count in zip(words, counts.tolist(), strict=True):
            stream.write(word + b"\0" + struct.pack("<qb", count, 0))
        stream.write(b"\0" + struct.pack("<2q", len(words) + buckets, table.dim))
        stream.write(vectors.astype("<f4").tobytes())
        for first in range(0, buckets, _ROWS_AT_ONCE):
            assert table.ngrams is not None
            stream.write(table.ngrams.vectors[first : first + _ROWS_AT_ONCE].astype("<f4").tobytes())
        stream.write(b"\0" + struct.pack("<2q", len(words), table.dim))
        for _ in words:
            stream.write(bytes(4 * table.dim))
    return len(words)
