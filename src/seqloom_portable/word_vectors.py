"""Words and their vectors: what is near what, and vectors of texts."""

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
    """`words` and `matrix`: (words, dim), memory-mapped."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        arrays = map_arrays(folder.path / "vectors.safetensors")
        self.words: list[str] = json.loads((folder.path / "words.json").read_text(encoding="utf-8"))
        self.matrix: NDArray[np.float32] = arrays["vectors"]
        self._ngrams: NDArray[np.float32] | None = arrays.get("ngrams")
        self._subwords: dict[str, Any] = folder.manifest["subwords"]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def _units(self) -> NDArray[np.float32]:
        return _at_length_one(self.matrix)

    def place(self, word: str) -> int | None:
        """Of the word as it is written, or else in lowercase; None where neither is known."""
        found = self._places.get(word)
        return self._places.get(word.lower()) if found is None else found

    def find(self, word: str) -> NDArray[np.float32] | None:
        """(dim,): the vector; one made from the word's character n-grams where there are any; None where nothing is
        known."""
        place = self.place(word)
        if place is not None:
            return np.array(self.matrix[place], np.float32)
        if self._ngrams is None:
            return None
        buckets = _buckets_of(word, self._subwords)
        return self._ngrams[buckets].mean(0).astype(np.float32) if buckets else None

    def vector(self, word: str) -> NDArray[np.float32]:
        """(dim,). Raises PortableError where nothing is known of the word."""
        found = self.find(word)
        if found is None:
            raise PortableError(f"there is no word named {word!r} among {len(self.words):,}")
        return found

    def similar(self, word: str, top: int = 10) -> list[Near]:
        """The words with the largest cosine, the word itself left out."""
        return self._near(_at_length_one(self.vector(word)[None])[0], {self.place(word)}, top)

    def analogy(self, positive: Sequence[str], negative: Sequence[str] = (), top: int = 10) -> list[Near]:
        """The words nearest to the sum of the `positive` less the `negative`, all at length 1 (3CosAdd)."""
        if not positive:
            raise PortableError("an analogy needs words, like: king - man + woman")
        query = np.zeros(self.matrix.shape[1], np.float32)
        for sign, words in ((1, positive), (-1, negative)):
            for word in words:
                query = query + sign * _at_length_one(self.vector(word)[None])[0]
        near = {self.place(word) for word in (*positive, *negative)}
        return self._near(_at_length_one(query[None])[0], near, top)

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words' vectors."""
        first, second = (_at_length_one(self.vector(word)[None])[0] for word in (one, other))
        return float(first @ second)

    def embed(self, lines: Sequence[str]) -> NDArray[np.float32]:
        """(lines, dim): the mean of the known words' vectors; zeros for a line without any."""
        found = np.zeros((len(lines), self.matrix.shape[1]), np.float32)
        for row, line in zip(found, lines, strict=True):
            vectors = [vector for word in line.split() if (vector := self.find(word)) is not None]
            if vectors:
                row[:] = np.ones(len(vectors)) @ np.stack(vectors) / len(vectors)
        return found

    def _near(self, unit: NDArray[np.float32], without: set[int | None], top: int) -> list[Near]:
        cosines = self._units @ unit
        order = np.argsort(-cosines, kind="stable")[: top + len(without)]
        near = [Near(self.words[place], float(cosines[place])) for place in order if place not in without]
        return near[:top]


def _at_length_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def _hash(text: str) -> int:
    """FNV-1a of 32 bits; bytes are taken as signed numbers, as fastText does."""
    value = _BASIS
    for byte in text.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * _PRIME) & _MASK
    return value


def _buckets_of(word: str, subwords: dict[str, Any]) -> list[int]:
    """Those of the character n-grams of `<word>`; a single `<` or `>` is none."""
    marked = f"<{word}>"
    sizes = range(subwords["shortest"], subwords["longest"] + 1)
    grams = (marked[first : first + n] for first in range(len(marked)) for n in sizes if first + n <= len(marked))
    return [_hash(gram) % subwords["buckets"] for gram in grams if gram not in ("<", ">")]
