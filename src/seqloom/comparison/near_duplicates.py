"""Near-duplicates across a split: test texts of which a training text has nearly the same n-grams."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from seqloom.comparison.verdict import percent
from seqloom.data.corpus import CustomRecipe, Recipe, Sources
from seqloom.data.divided_texts import PlacedText, divided_texts
from seqloom.data.input_source import is_table
from seqloom.data.splits import same_text
from seqloom.distinct import distinct
from seqloom.files import read_lines

SIMILARITY = 0.8
"""The least Jaccard similarity of near-duplicates: the share of common n-grams among all n-grams of both texts."""
_WORDS_OF_LONG_TEXTS = 30
"""From so many words in the median on, the n-grams are those of words."""
_WORDS, _CHARACTERS = 3, 5
_LEAST_LETTERS = 30
"""Shorter texts, such as words spelt letter by letter, are often similar without one being made of the other."""
_WARNING_SHARE = 0.01
"""Of the test texts."""
_SHOWN_CHARACTERS = 80
_MOST_TEST, _MOST_TRAIN = 2_000, 300_000
"""Of more texts, so many are compared, evenly spaced."""
_FIRST_BLOCK = 1_000
_PAIRS_AT_ONCE = 100_000
_HASH_BITS = 40

Unsigned = NDArray[np.uint64]
Integers = NDArray[np.int64]


class Match(NamedTuple):
    """The places of a test text and of a training text that nearly equals it, and their Jaccard similarity."""

    test: int
    train: int
    similarity: float


class NearDuplicates(NamedTuple):
    """`matches`, the most similar first, among the `compared` test texts; `ngrams` says of which n-grams."""

    matches: list[Match]
    compared: int
    ngrams: str


def near_duplicates_warning(parts: Iterable[Sources], recipe: Recipe[Any, Any] | CustomRecipe, cache: Path) -> str:
    """Sentences with the number of near-duplicates, an example and what to do; empty where they are below 1 %, or if
    the examples are not texts. `parts`: the data, or each fold of it.
    """
    if not isinstance(recipe, Recipe):
        return ""
    count = compared = 0
    worst: tuple[float, PlacedText, PlacedText] | None = None
    ngrams = ""
    for sources in parts:
        texts = divided_texts(sources, recipe, cache)
        train, test = texts["train"], texts.get("test", [])
        result = near_duplicates([text.text for text in train], [text.text for text in test])
        count, compared, ngrams = count + len(result.matches), compared + result.compared, result.ngrams
        for match in result.matches[:1]:
            if worst is None or match.similarity > worst[0]:
                worst = match.similarity, test[match.test], train[match.train]
    if worst is None or count < _WARNING_SHARE * compared:
        return ""
    similarity, tested, trained = worst
    return (
        f"{count:,} of {compared:,} test texts ({percent(count / compared)}) nearly "
        f"{'equal' if count > 1 else 'equals'} a training text: they share {percent(SIMILARITY)} or more of all "
        f"{ngrams} of both. Scores on them say little about new data. For example {_shown(tested)} and "
        f"{_shown(trained)} ({percent(similarity)}). Keep one of each such group of texts, or test on a file without "
        "them (--test)."
    )


def _shown(text: PlacedText) -> str:
    """The text with its file and line; in tables and where an example has several lines, with its number."""
    plain = " ".join(text.text.split())
    if len(plain) > _SHOWN_CHARACTERS:
        plain = plain[: _SHOWN_CHARACTERS - 1].rstrip() + "…"
    line = None if is_table(text.file) else _line_of(text)
    where = f"{text.file}:{line}" if line else f"{text.file}, text {text.number:,},"
    return f"{where} “{plain}”"


def _line_of(text: PlacedText) -> int | None:
    """The first line that is the text, or of which a column is; None where an example has several lines."""
    for number, line in enumerate(read_lines(text.file), 1):
        if text.text in (cell.strip() for cell in (line, *line.split("\t"))):
            return number
    return None


def near_duplicates(train: Sequence[str], test: Sequence[str]) -> NearDuplicates:
    """The most similar training text of each test text that has a near-duplicate.

    The comparison is exact, a set similarity join with the prefix filter of Chaudhuri et al. (2006): a text that shares
    80 % of all n-grams with a test text holds 80 % of those of the test text at least, and therefore one at least of
    any fifth of them and one more. The rarest are taken, so that few pairs are left to compare.
    """
    are_long = bool(test) and statistics.median(len(text.split()) for text in test) >= _WORDS_OF_LONG_TEXTS
    size, unit = (_WORDS, "word") if are_long else (_CHARACTERS, "character")
    test_places, train_places = _to_compare(test, _MOST_TEST), _to_compare(train, _MOST_TRAIN)
    tested = _Ngrams([test[place] for place in test_places], size, are_long)
    best: dict[int, Match] = {}
    for first, last in _growing_blocks(len(train_places)):
        block = _Ngrams([train[place] for place in train_places[first:last]], size, are_long)
        unmatched = [row for row in range(len(test_places)) if row not in best]
        for row, column, similarity in _similar(tested, block, unmatched):
            if row not in best or best[row].similarity < similarity:
                best[row] = Match(test_places[row], train_places[first + column], similarity)
    matches = sorted(best.values(), key=lambda match: (-match.similarity, match.test))
    return NearDuplicates(matches, len(test_places), f"{unit} {size}-grams")


def _to_compare(texts: Sequence[str], most: int) -> list[int]:
    """The places of texts that are long enough; of more than `most`, evenly spaced ones."""
    places = [place for place, text in enumerate(texts) if sum(map(len, text.split())) >= _LEAST_LETTERS]
    return [places[i * len(places) // most] for i in range(most)] if len(places) > most else places


def _growing_blocks(number: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover `number`, small ones first: what is repeated often is found in the first, and not again."""
    first, size = 0, _FIRST_BLOCK
    while first < number:
        yield first, min(first + size, number)
        first, size = first + size, min(2 * size, 16 * _FIRST_BLOCK)


class _Ngrams:
    """Texts as sets of hashed n-grams: `rows` and `hashes` of all n-grams, sorted, each once in a row; `sizes` of the
    sets."""

    def __init__(self, texts: Sequence[str], size: int, of_words: bool) -> None:
        units = [_units(same_text(text), of_words) for text in texts]
        stream = np.concatenate([*units, np.empty(0, np.uint64)])
        rows = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(unit) for unit in units])
        keys = np.empty(0, np.uint64)
        if len(stream) >= size:
            inside = rows[size - 1 :] == rows[: len(rows) - size + 1]  # of one text
            keys = distinct(rows[size - 1 :][inside] << np.uint64(_HASH_BITS) | _hashed(stream, size)[inside])
        self.rows = (keys >> np.uint64(_HASH_BITS)).astype(np.int64)
        self.hashes = keys & np.uint64(2**_HASH_BITS - 1)
        self.sizes = np.bincount(self.rows, minlength=len(texts))


def _units(text: str, of_words: bool) -> Unsigned:
    """A number for each word or character."""
    if of_words:
        return np.array([hash(word) for word in text.split()], dtype=np.int64).view(np.uint64)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)


def _hashed(units: Unsigned, size: int) -> Unsigned:
    """A hash of each n-gram, of the first `_HASH_BITS` bits of 64: two rounds of multiplication and shift for each
    unit (Steele et al. 2014, SplitMix64)."""
    count = len(units) - size + 1
    hashes = np.zeros(count, np.uint64)
    for offset in range(size):
        hashes = (hashes ^ units[offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashes = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        hashes ^= hashes >> np.uint64(32)
    return hashes >> np.uint64(64 - _HASH_BITS)


def _similar(tested: _Ngrams, train: _Ngrams, rows: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """Row, column and similarity of all near-duplicates among those `rows` of the test texts and the training texts."""
    known, columns = np.unique(tested.hashes, return_inverse=True)
    places = np.searchsorted(known, train.hashes)
    places[places == len(known)] = 0
    shared = known[places] == train.hashes if len(known) else np.zeros(0, bool)
    in_train = _matrix(train.rows[shared], places[shared], (len(train.sizes), len(known)))
    frequency = np.bincount(places[shared], minlength=len(known))
    in_test = _matrix(tested.rows, columns, (len(tested.sizes), len(known)))
    # The rarest n-grams of each text, a fifth and one more.
    order = np.lexsort((frequency[columns], tested.rows))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(tested.sizes) - tested.sizes, tested.sizes)
    in_prefix = np.isin(tested.rows, rows) & (rank <= (1 - SIMILARITY) * tested.sizes[tested.rows])
    rare = order[in_prefix]
    candidates = (_matrix(tested.rows[rare], columns[rare], in_test.shape) @ in_train.T).tocoo()
    for first in range(0, candidates.nnz, _PAIRS_AT_ONCE):
        row, column = candidates.row[first : first + _PAIRS_AT_ONCE], candidates.col[first : first + _PAIRS_AT_ONCE]
        common = np.asarray(in_test[row].multiply(in_train[column]).sum(1)).ravel()
        similarity = common / (tested.sizes[row] + train.sizes[column] - common)
        for i in np.flatnonzero(similarity >= SIMILARITY):
            yield int(row[i]), int(column[i]), float(similarity[i])


def _matrix(rows: Integers, columns: Integers, shape: tuple[int, int]) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
