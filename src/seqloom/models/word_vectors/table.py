"""A table of words and their vectors, with exact nearest neighbours. The matrix may be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from seqloom.errors import RequestError, SeqloomError, unknown_name
from seqloom.models.word_vectors.subwords import SubwordSettings, ngram_buckets

_ROWS_AT_ONCE = 1 << 14
_NAMES_COMPARED = 20_000
"""The number of frequent words among which the nearest is suggested for an unknown word."""


class NGramVectors(NamedTuple):
    """Vectors of character n-grams, from which vectors of unseen words are composed. `vectors`: (buckets, dim)."""

    vectors: NDArray[np.float32]
    settings: SubwordSettings


class Neighbour(NamedTuple):
    word: str
    cosine: float


@runtime_checkable
class Search(Protocol):
    """A search for rows among which the nearest are."""

    def search(self, units: NDArray[np.float32], top: int) -> NDArray[np.int64]:
        """(queries, at least `top`): rows that may be the nearest to each unit vector; fewer if it finds fewer."""
        ...


class VectorTable:
    """`words`, and `matrix` (words, dim). `counts` (words,): the frequency of each word in the training text; if it is
    unknown, words are assumed to be in order of decreasing frequency. `source`: the run or file of the vectors."""

    entry = "word"
    """What a row stands for."""

    def __init__(
        self,
        words: Sequence[str],
        matrix: NDArray[np.float32],
        counts: NDArray[np.int64] | None = None,
        ngrams: NGramVectors | None = None,
        source: str = "",
    ) -> None:
        assert len(words) == len(matrix)
        self.words, self.matrix, self.counts, self.ngrams, self.source = words, matrix, counts, ngrams, source
        self.index: Search | None = None

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._places

    @property
    def dim(self) -> int:
        return int(self.matrix.shape[1])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in reversed(list(enumerate(self.words)))}

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        """(words,): the lengths of the vectors; 1 for zero vectors."""
        lengths = np.empty(len(self), np.float32)
        for first in range(0, len(self), _ROWS_AT_ONCE):
            lengths[first : first + _ROWS_AT_ONCE] = np.linalg.norm(self.matrix[first : first + _ROWS_AT_ONCE], axis=1)
        lengths[lengths == 0] = 1
        return lengths

    def check_finite(self) -> None:
        """Raises SeqloomError if a vector contains NaN or infinity."""
        for name, rows in (("words", self.matrix), ("n-grams", None if self.ngrams is None else self.ngrams.vectors)):
            if rows is None:
                continue
            for first in range(0, len(rows), _ROWS_AT_ONCE):
                is_finite = np.isfinite(rows[first : first + _ROWS_AT_ONCE]).all(1)
                if not is_finite.all():
                    place = first + int(is_finite.argmin())
                    place_of_vector = (
                        f"that of {self.words[place]!r}" if name == "words" else f"that of {name} bucket {place}"
                    )
                    raise SeqloomError("a vector is not finite", where=self.source or None, got=place_of_vector)

    def frequent(self, most_words: int = 0) -> NDArray[np.int64]:
        """The rows of the `most_words` most frequent words (0: of all), most frequent first."""
        order = np.arange(len(self)) if self.counts is None else np.argsort(-self.counts, kind="stable")
        return order[: most_words or None]

    def place(self, word: str) -> int | None:
        """The row of the word as written, or else of its lowercase form; None if neither is known."""
        place = self._places.get(word)
        return self._places.get(word.lower()) if place is None else place

    def find(self, word: str) -> NDArray[np.float32] | None:
        """(dim,): the vector of a word, or one composed of its character n-grams if the table has any; None if neither
        is known."""
        place = self.place(word)
        if place is not None:
            return np.array(self.matrix[place], np.float32)
        if self.ngrams is None:
            return None
        buckets = ngram_buckets(word, self.ngrams.settings)
        return self.ngrams.vectors[buckets].mean(0).astype(np.float32) if buckets else None

    def vector(self, word: str) -> NDArray[np.float32]:
        """(dim,): the vector of a word. Raises RequestError with the nearest known word if it is unknown."""
        vector = self.find(word)
        if vector is None:
            error = unknown_name(self.entry, word, self.words[:_NAMES_COMPARED])
            raise RequestError(error.what, expected=f"one of {len(self):,} {self.entry}s", hint=error.hint)
        return vector

    def unit(self, word: str) -> NDArray[np.float32]:
        """The word's vector scaled to length 1; a zero vector stays zero."""
        return _units(self.vector(word)[None])[0]

    def nearest(
        self,
        queries: Float[NDArray[np.float32], "queries dim"],
        top: int,
        most_words: int = 0,
        search: Search | None = None,
    ) -> tuple[Int[NDArray[np.int64], "queries top"], Float[NDArray[np.float32], "queries top"]]:
        """The rows of the words with the largest cosine similarity to each query, and these similarities, largest
        first, among the `most_words` most frequent words (0: all). The matrix is read once, part by part. A `search`
        or an index finds most of the nearest among all words without reading it."""
        search = self.index if search is None else search
        if search is not None and not most_words:
            return self._nearest_found(search, queries, top)
        candidates = self.frequent(most_words) if 0 < most_words < len(self) else None
        num_candidates = len(self) if candidates is None else len(candidates)
        top = min(top, num_candidates)
        units = _units(queries)
        places, best = np.zeros((len(units), 0), np.int64), np.zeros((len(units), 0), np.float32)
        for first in range(0, num_candidates, _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, num_candidates)
            block = np.arange(first, last) if candidates is None else candidates[first:last]
            rows = slice(first, last) if candidates is None else block  # a slice copies no vectors
            cosines = units @ self.matrix[rows].T / self._lengths[rows]
            block_places = np.broadcast_to(block, cosines.shape)
            if len(block) > top:
                nearest = np.argpartition(-cosines, top - 1, axis=1)[:, :top]
                block_places = np.take_along_axis(block_places, nearest, 1)
                cosines = np.take_along_axis(cosines, nearest, 1)
            places, best = np.concatenate([places, block_places], 1), np.concatenate([best, cosines], 1)
            order = np.argsort(-best, axis=1, kind="stable")[:, :top]
            places, best = np.take_along_axis(places, order, 1), np.take_along_axis(best, order, 1)
        return places, best

    def _nearest_found(
        self, search: Search, queries: NDArray[np.float32], top: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The nearest of those that a search finds, with exact similarities."""
        top, units = min(top, len(self)), _units(queries)
        places = search.search(units, top)
        if places.shape[1] < top:
            return self.nearest(queries, top, most_words=len(self))
        cosines = np.einsum("qd,qtd->qt", units, _units(self.matrix[places]))
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :top]
        return np.take_along_axis(places, order, 1), np.take_along_axis(cosines, order, 1).astype(np.float32)

    def units(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """(rows, dim): the vectors of some rows, scaled to length 1."""
        return _units(np.asarray(self.matrix[rows], np.float32))

    def similar(self, word: str | NDArray[np.float32], top: int = 10) -> list[Neighbour]:
        """The words nearest to a word, the word itself excluded, or nearest to a vector."""
        if isinstance(word, str):
            return self._near(self.vector(word), {self.place(word)}, top)
        return self._near(word, set(), top)

    def analogy(self, positive: Sequence[str], negative: Sequence[str] = (), top: int = 10) -> list[Neighbour]:
        """The words nearest to the sum of `positive` minus the sum of `negative`, all scaled to length 1 (3CosAdd, Levy
        and Goldberg 2014, equation 2); the given words are excluded."""
        if not positive:
            raise RequestError("an analogy needs words", expected="like: king - man + woman")
        sums = sum(self.unit(word) for word in positive) - sum((self.unit(word) for word in negative), np.float32(0))
        return self._near(np.asarray(sums), {self.place(word) for word in (*positive, *negative)}, top)

    def _near(self, query: NDArray[np.float32], without: set[int | None], top: int) -> list[Neighbour]:
        places, cosines = self.nearest(query[None].astype(np.float32), top + len(without))
        pairs = zip(places[0].tolist(), cosines[0].tolist(), strict=True)
        return [Neighbour(self.words[place], cosine) for place, cosine in pairs if place not in without][:top]

    def similarity(self, word: str, other_word: str) -> float:
        """The cosine similarity of two words."""
        return float(self.unit(word) @ self.unit(other_word))

    def doesnt_match(self, words: Sequence[str]) -> str:
        """The word that is farthest from the mean of all words, each scaled to length 1."""
        if len(words) < 3:
            raise RequestError("doesnt_match needs several words", got=len(words), expected=3)
        units = np.stack([self.unit(word) for word in words])
        return words[int((units @ units.mean(0)).argmin())]

    def rows(self, words: Iterable[str]) -> Float[NDArray[np.float32], "words dim"]:
        """The vector of each word; zeros if it is unknown."""
        zeros = np.zeros(self.dim, np.float32)
        vectors = [self.find(word) for word in words]
        return np.stack([zeros if row is None else row for row in vectors]) if vectors else zeros[None][:0]


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
