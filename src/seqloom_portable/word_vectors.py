"""Word vectors: neighbours, analogies, and vectors of texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder

_BASIS, _PRIME, _MASK = 2166136261, 16777619, 2**32 - 1


class Near(NamedTuple):
    word: str
    cosine: float


class WordVectors:
    """`words`, and `matrix` (words, dim), which is memory-mapped."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        arrays = map_arrays(folder.path / "vectors.safetensors")
        self.words: list[str] = json.loads((folder.path / "words.json").read_text(encoding="utf-8"))
        self.matrix: NDArray[np.float32] = arrays["vectors"]
        self._ngrams: NDArray[np.float32] | None = arrays.get("ngrams")
        self._subwords: dict[str, Any] = folder.manifest["subwords"]
        self._infers: bool = folder.manifest.get("infers", False)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def _units(self) -> NDArray[np.float32]:
        return _at_length_one(self.matrix)

    def place(self, word: str) -> int | None:
        """The row of the word as written, or of its lowercase form; None if neither is in the vocabulary."""
        place = self._places.get(word)
        return self._places.get(word.lower()) if place is None else place

    def find(self, word: str) -> NDArray[np.float32] | None:
        """(dim,): the vector of a word. For an unknown word it is computed from its character n-grams; None if the
        model has none of them."""
        place = self.place(word)
        if place is not None:
            return np.array(self.matrix[place], np.float32)
        if self._ngrams is None:
            return None
        buckets = _buckets_of(word, self._subwords)
        return self._ngrams[buckets].mean(0).astype(np.float32) if buckets else None

    def vector(self, word: str) -> NDArray[np.float32]:
        """(dim,): the vector of a word. Raises PortableError if the word is unknown."""
        vector = self.find(word)
        if vector is None:
            raise PortableError(f"there is no word named {word!r} among {len(self.words):,}")
        return vector

    def similar(self, word: str, top: int = 10) -> list[Near]:
        """The words with the largest cosine similarity, the word itself excluded."""
        return self._near(_at_length_one(self.vector(word)[None])[0], {self.place(word)}, top)

    def analogy(self, positive: Sequence[str], negative: Sequence[str] = (), top: int = 10) -> list[Near]:
        """The words nearest to the sum of `positive` minus the sum of `negative`, all scaled to length 1 (3CosAdd)."""
        if not positive:
            raise PortableError("an analogy needs words, like: king - man + woman")
        query = np.zeros(self.matrix.shape[1], np.float32)
        for sign, words in ((1, positive), (-1, negative)):
            for word in words:
                query = query + sign * _at_length_one(self.vector(word)[None])[0]
        near = {self.place(word) for word in (*positive, *negative)}
        return self._near(_at_length_one(query[None])[0], near, top)

    def similarity(self, first: str, second: str) -> float:
        """The cosine similarity of two words."""
        one_vector, other_vector = (_at_length_one(self.vector(word)[None])[0] for word in (first, second))
        return float(one_vector @ other_vector)

    def embed(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """(lines, dim): the mean vector of the known words; zeros for a line without known words. Raises PortableError
        for paragraph vectors, which learn the vector of a text when they are asked for it."""
        if self._infers:
            raise PortableError(
                "paragraph vectors learn the vector of a new text, which needs Seqloom itself (seqloom embed RUN); "
                "this folder has vectors of words"
            )
        sentence_vectors = np.zeros((len(lines), self.matrix.shape[1]), np.float32)
        for row, line in zip(sentence_vectors, lines, strict=True):
            vectors = [vector for word in line.split() if (vector := self.find(word)) is not None]
            if vectors:
                row[:] = np.ones(len(vectors)) @ np.stack(vectors) / len(vectors)
        return sentence_vectors

    def _near(self, unit: NDArray[np.float32], without: set[int | None], top: int) -> list[Near]:
        cosines = self._units @ unit
        order = np.argsort(-cosines, kind="stable")[: top + len(without)]
        near = [Near(self.words[place], float(cosines[place])) for place in order if place not in without]
        return near[:top]


def _at_length_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def _hash(text: str) -> int:
    """FNV-1a with 32 bits. Bytes are signed numbers, as in fastText."""
    value = _BASIS
    for byte in text.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * _PRIME) & _MASK
    return value


def _buckets_of(word: str, subwords: dict[str, Any]) -> list[int]:
    """The buckets of the character n-grams of `<word>`; a single `<` or `>` does not count."""
    marked = f"<{word}>"
    sizes = range(subwords["shortest"], subwords["longest"] + 1)
    grams = (marked[first : first + n] for first in range(len(marked)) for n in sizes if first + n <= len(marked))
    return [_hash(gram) % subwords["buckets"] for gram in grams if gram not in ("<", ">")]
