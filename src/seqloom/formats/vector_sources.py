"""Where vectors of words come from: a file, or the embedding of a run's network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqloom.config import read_toml
from seqloom.data.spelling import Spelling
from seqloom.data.text import TextCodec, load_tokenizer
from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import RequestError
from seqloom.files import opened, reading
from seqloom.formats.word2vec import read_table
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


def open_vectors(path: str | Path) -> VectorTable:
    """The vectors of a run's folder, memory-mapped, or of a file: `.bin` is word2vec's binary format, anything else
    its text; `.gz` and `.xz` too. Raises SeqloomError, of a file with its line, where there are none or they are
    broken."""
    return _of_run(Path(path)) if Path(path).is_dir() else read_table(str(path))


def dim_of(path: str) -> int:
    """The dimension of what `open_vectors` opens; of a file, no more than its first line is read."""
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
                return VectorTable(words, matrix, source=str(folder))
            counts, ngrams = arrays["counts"][len(SPECIALS) :], _ngrams(folder, arrays.get("ngrams"))
            return VectorTable(words, matrix, counts, ngrams, str(folder))
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
