"""Opens word vectors from a file, or from the embedding of a run's network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqloom.config import read_toml
from seqloom.data.document_names import NAMES_FILE, read_names
from seqloom.data.text_codec import TextCodec, load_tokenizer
from seqloom.data.tokenizer import SPECIALS
from seqloom.data.word_vocabularies import Spelling
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import STANDARD_INPUT, reading
from seqloom.formats.fasttext import fasttext_dim, is_fasttext, read_fasttext
from seqloom.formats.vector_rows import ALL, Selection
from seqloom.formats.word2vec import read_binary, read_text
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
"""The tables of runs with a vector for every token, and the file of the run that names the tokens."""


def open_vectors(path: str | Path, selection: Selection = ALL) -> VectorTable:
    """The vectors of a run's folder, memory-mapped, or of a file, `.gz` and `.xz` too: fastText's binary format, which
    is recognised by its content; word2vec's binary format if the name ends in `.bin`; otherwise text.

    Raises SeqloomError, with the line of a file, if there are no vectors or they are broken.
    """
    if not _is_folder(path):
        return _of_file(str(path), selection)
    table = _of_run(Path(path))
    if selection != ALL:
        table = _select(table, selection)
    table.check_finite()
    return table


def open_documents(folder: str | Path, selection: Selection = ALL) -> VectorTable:
    """The vectors of the documents of a run of paragraph vectors, memory-mapped, in the order of the training text.

    Raises RequestError if the path has no vectors of documents, SeqloomError if they are damaged.
    """
    folder = Path(folder)
    where = folder / "model.safetensors"
    arrays = map_arrays(where, {"documents"}) if where.exists() else {}
    if "documents" not in arrays:
        raise RequestError(
            "there are no vectors of documents", where=str(folder),
            expected="a run of: seqloom train vectors DATA --model pv-dbow or pv-dm",
        )  # fmt: skip
    names, matrix = read_names(folder / NAMES_FILE), arrays["documents"]
    if matrix.dtype != np.float32 or matrix.ndim != 2 or len(matrix) != len(names):
        got = f"documents of shape {matrix.shape}, {len(names):,} names"
        raise SeqloomError("the vectors of the run are damaged", where=str(where), got=got)
    table = VectorTable(names, matrix, source=str(folder))
    if selection != ALL:
        table = _select(table, selection)
    table.check_finite()
    return table


def dim_of(path: str) -> int:
    """The dimension of the vectors that `open_vectors` opens; reads at most the first vector of a file."""
    if _is_folder(path):
        return _of_run(Path(path)).dim
    return fasttext_dim(path) if is_fasttext(path) else _of_file(path, Selection(first=1)).dim


def _is_folder(path: str | Path) -> bool:
    with reading(path):
        return Path(path).is_dir()


def _of_file(path: str, selection: Selection) -> VectorTable:
    if path != STANDARD_INPUT and is_fasttext(path):
        return read_fasttext(path, selection)
    name = path.removesuffix(".gz").removesuffix(".xz")
    return (read_binary if name.endswith(".bin") else read_text)(path, selection)


def _select(table: VectorTable, selection: Selection) -> VectorTable:
    places = table.frequent(selection.first)
    if selection.only is not None:
        places = places[[table.words[place] in selection.only for place in places.tolist()]]
    if not len(places):
        raise RequestError("none of the requested words has a vector", where=table.source)
    counts = None if table.counts is None else table.counts[places]
    words = [table.words[place] for place in places.tolist()]
    return VectorTable(words, table.matrix[places], counts, table.ngrams, table.source)


def _of_run(folder: Path) -> VectorTable:
    where = folder / "model.safetensors"
    if not where.exists():
        raise RequestError("the folder is not a trained run", where=str(folder), expected="a run, or a file of vectors")
    names = {name for name, _ in _TABLES} | {"counts", "ngrams"}
    arrays = map_arrays(where, names)
    for name, vocabulary in _TABLES:
        if name in arrays and (folder / vocabulary).exists():
            tokens, matrix = _tokens(folder, vocabulary), arrays[name]
            if matrix.dtype != np.float32 or matrix.ndim != 2 or len(matrix) != len(tokens):
                got = f"{name} of shape {matrix.shape}, {len(tokens):,} tokens in {vocabulary}"
                raise SeqloomError("the vectors of the run are damaged", where=str(where), got=got)
            words, matrix = tokens[len(SPECIALS) :], matrix[len(SPECIALS) :]
            if name != "vectors":
                return VectorTable(words, matrix, source=str(folder))
            counts = arrays.get("counts")
            if counts is None or counts.dtype != np.int64 or counts.shape != (len(tokens),):
                raise SeqloomError(
                    "the vectors of the run are damaged", where=str(where), got="other counts than words"
                )
            ngrams = _ngrams(folder, arrays.get("ngrams"), matrix.shape[1])
            return VectorTable(words, matrix, counts[len(SPECIALS) :], ngrams, str(folder))
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


def _ngrams(folder: Path, vectors: NDArray[np.float32] | None, dim: int) -> NGramVectors | None:
    if vectors is None:
        return None
    where = folder / "config.toml"
    try:
        settings = SubwordSettings.model_validate(read_toml(where)["settings"]["model"]["subwords"])
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError("the run's configuration is damaged", where=str(where), got=repr(error)) from None
    if vectors.dtype != np.float32 or vectors.shape != (settings.buckets, dim):
        got, expected = f"ngrams of shape {vectors.shape}", f"{(settings.buckets, dim)}"
        raise SeqloomError("the vectors of the run are damaged", where=str(folder), got=got, expected=expected)
    return NGramVectors(vectors, settings)
