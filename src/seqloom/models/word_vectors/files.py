"""Word vectors in files: word2vec's text and binary formats, fastText's .vec, and the embedding of any run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqloom.config import read_toml
from seqloom.data.spelling import Spelling
from seqloom.data.text import TextCodec
from seqloom.data.tokenizer import SPECIALS
from seqloom.data.tokenizer_kinds import load_tokenizer
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import opened, read_lines, reading, writing
from seqloom.models.word_vectors.subwords import SubwordSettings
from seqloom.models.word_vectors.table import NGramVectors, VectorTable
from seqloom.storage.arrays import map_arrays

_TABLES = (
    ("vectors", "tokenizer.json"),
    ("encoder.read.table.weight", "source_tokenizer.json"),
    ("encoder.read.table.weight", "tokenizer.json"),
    ("encoder.read.known", "tokenizer.json"),
    ("embedding.table.weight", "tokenizer.json"),
    ("embedding.table.weight", "target_tokenizer.json"),
    ("forms.words.weight", "vocabulary.json"),
)
"""Where runs have a vector for every token, and which file of theirs names the tokens."""

_MOST_BYTES = 1 << 16
"""Of a word; a file whose words are longer is not one of vectors."""


def open_table(path: str | Path) -> VectorTable:
    """The vectors of a run's folder, memory-mapped, or of a file: `.bin` is word2vec's binary format, anything else
    its text; `.gz` and `.xz` too. Raises SeqloomError, of a file with its line, where there are none or they are
    broken."""
    return _of_run(Path(path)) if Path(path).is_dir() else read_table(str(path))


def dim_of(path: str) -> int:
    """The numbers a word, of what `open_table` opens."""
    if Path(path).is_dir():
        return _of_run(Path(path)).dim
    with reading(path), opened(path) as stream:
        first = stream.readline(1 << 20).split()
    told = len(first) == 2 and all(part.isdigit() for part in first)
    return int(first[1]) if told else max(len(first) - 1, 1)


def _of_run(folder: Path) -> VectorTable:
    where = folder / "model.safetensors"
    if not where.exists():
        raise RequestError("the folder holds no trained run", where=str(folder), expected="a run, or a file of vectors")
    wanted = {name for name, _ in _TABLES} | {"counts", "ngrams"}
    arrays = map_arrays(where, wanted)
    for name, vocabulary in _TABLES:
        if name in arrays and (folder / vocabulary).exists():
            words, matrix = _tokens(folder, vocabulary)[len(SPECIALS) :], arrays[name][len(SPECIALS) :]
            if name != "vectors":
                return VectorTable(words, matrix)
            return VectorTable(words, matrix, arrays["counts"][len(SPECIALS) :], _ngrams(folder, arrays.get("ngrams")))
    raise RequestError(
        "this run has no vectors of words",
        where=str(folder),
        expected="a run of vectors, or of a network that reads words",
    )


def _tokens(folder: Path, vocabulary: str) -> Sequence[str]:
    if vocabulary == "tokenizer.json":
        return TextCodec.load(folder).tokenizer.tokens()
    if vocabulary == "vocabulary.json":
        return [*SPECIALS, *Spelling.load(folder / vocabulary).words.tokens]
    return load_tokenizer(folder / vocabulary).tokens()


def _ngrams(folder: Path, vectors: NDArray[np.float32] | None) -> NGramVectors | None:
    if vectors is None:
        return None
    settings = read_toml(folder / "config.toml")["settings"]["model"]["subwords"]
    return NGramVectors(vectors, SubwordSettings.model_validate(settings))


def read_table(path: str) -> VectorTable:
    name = path.removesuffix(".gz").removesuffix(".xz")
    words, matrix = _read_binary(path) if name.endswith(".bin") else _read_text(path)
    return VectorTable(words, matrix)


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
