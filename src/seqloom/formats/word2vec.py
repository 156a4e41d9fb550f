"""Vectors of words as files of word2vec: text, which fastText's .vec is too, and binary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.files import opened, read_lines, reading, writing
from seqloom.models.word_vectors.table import VectorTable

_MOST_BYTES = 1 << 16
"""Of a word; a file whose words are longer is not one of vectors."""


def read_table(path: str) -> VectorTable:
    name = path.removesuffix(".gz").removesuffix(".xz")
    words, matrix = _read_binary(path) if name.endswith(".bin") else _read_text(path)
    return VectorTable(words, matrix, source=path)


def _read_text(path: str) -> tuple[list[str], NDArray[np.float32]]:
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    told: tuple[int, int] | None = None
    for number, line in enumerate(read_lines(path), 1):
        word, *numbers = line.rstrip(" ").split(" ")
        if number == 1 and len(numbers) == 1 and word.isdecimal() and numbers[0].isdecimal():
            told = int(word), int(numbers[0])
            continue
        dim = told[1] if told else len(rows[0]) if rows else len(numbers)
        if not numbers or len(numbers) != dim:
            raise SeqloomError(
                "a line is not a word and its vector",
                where=f"{path}:{number}",
                got=f"{len(numbers)} numbers",
                expected=f"{dim or 'some'} numbers",
            )
        try:
            rows.append(np.array(numbers, dtype=np.float32))
        except ValueError as error:
            raise SeqloomError("a vector is not of numbers", where=f"{path}:{number}", got=str(error)) from None
        words.append(word)
    if not rows or (told and told[0] != len(rows)):
        expected = f"{told[0]} vectors, as the first line says" if told else "a word and numbers on each line"
        raise SeqloomError(
            "the file of vectors is not whole", where=path, got=f"{len(rows)} vectors", expected=expected
        )
    return words, np.stack(rows)


def _read_binary(path: str) -> tuple[list[str], NDArray[np.float32]]:
    with reading(path), opened(path) as stream:
        try:
            size, dim = map(int, stream.readline(64).split())
        except ValueError:
            raise SeqloomError(
                "the file is not one of word2vec's", where=path, expected="its size in the first line"
            ) from None
        words, matrix = [], np.empty((size, dim), np.float32)
        for place in range(size):
            words.append(_word(stream.read, path, place))
            content = stream.read(4 * dim)
            if len(content) < 4 * dim:
                raise SeqloomError(
                    "the file of vectors is not whole", where=path, got=f"{place} vectors", expected=f"{size} vectors"
                )
            matrix[place] = np.frombuffer(content, "<f4")
    return words, matrix


def _word(read: Callable[[int], bytes], path: str, place: int) -> str:
    """Up to a blank; the line end that may stand after the vector before is passed over."""
    letters = bytearray()
    while (letter := read(1)) not in (b" ", b""):
        if letter != b"\n" or letters:
            letters += letter
        if len(letters) > _MOST_BYTES:
            break
    try:
        if letter == b" ":
            return letters.decode()
    except UnicodeDecodeError:
        pass
    raise SeqloomError("the file of vectors is broken", where=f"{path}, word {place + 1}", expected="a word in UTF-8")


def write_table(table: VectorTable, path: Path, binary: bool) -> int:
    """Writes the file, whole or not at all, frequent words first; how many are in it. Those with blanks in them cannot
    be."""
    ranked = ((place, table.words[place]) for place in table.frequent().tolist())
    places = [place for place, word in ranked if word and not any(map(str.isspace, word))]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with temporary.open("wb") as stream:
                stream.write(f"{len(places)} {table.dim}\n".encode())
                stream.writelines(_binary_rows(table, places) if binary else _text_rows(table, places))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return len(places)


def _text_rows(table: VectorTable, places: Sequence[int]) -> Iterator[bytes]:
    """Nine digits say which float32 it is."""
    form = " ".join(["%.9g"] * table.dim)
    for place in places:
        yield f"{table.words[place]} {form % tuple(table.matrix[place].tolist())}\n".encode()


def _binary_rows(table: VectorTable, places: Sequence[int]) -> Iterator[bytes]:
    for place in places:
        yield f"{table.words[place]} ".encode() + table.matrix[place].astype("<f4").tobytes() + b"\n"
