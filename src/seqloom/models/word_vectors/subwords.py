"""Character n-grams of words, hashed into buckets (Bojanowski et al. 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.compiling import Array, compiled
from seqloom.config import Settings, needs
from seqloom.data.tokenizer import SPECIALS

_BASIS, _PRIME, _MASK = 2166136261, 16777619, 2**32 - 1


class SubwordSettings(Settings):
    longest: int = Field(0, ge=0, le=32, description="characters in the longest character n-gram; 6 is usual, 0: none")
    shortest: int = Field(
        3, ge=1, le=32, description="characters in the shortest character n-gram",
        json_schema_extra=needs(longest=True),
    )  # fmt: skip
    buckets: int = Field(
        200_000, gt=0, le=2**28, description="number of vectors that character n-grams share by hashing",
        json_schema_extra=needs(longest=True),
    )  # fmt: skip


class WordRows(NamedTuple):
    """The input rows whose mean is a word's vector: word i has `rows[starts[i]:starts[i + 1]]`. Without character
    n-grams, row i is word i, and `starts` has one entry."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int64]


NO_SUBWORDS = WordRows(np.zeros(1, np.int64), np.zeros(0, np.int64))


def fnv_1a(text: str) -> int:
    """The 32-bit FNV-1a hash of the text in UTF-8. Bytes are signed numbers, as in fastText."""
    value = _BASIS
    for byte in text.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * _PRIME) & _MASK
    return value


def ngram_buckets(word: str, settings: SubwordSettings) -> list[int]:
    """The bucket of each character n-gram of `<word>`; a single `<` or `>` does not count."""
    marked = f"<{word}>"
    ends = ((0, 1), (len(marked) - 1, len(marked)))
    places = (
        (first, first + n) for first in range(len(marked)) for n in range(settings.shortest, settings.longest + 1)
    )
    grams = (marked[first:last] for first, last in places if last <= len(marked) and (first, last) not in ends)
    return [fnv_1a(gram) % settings.buckets for gram in grams]


def word_rows(tokens: Sequence[str], settings: SubwordSettings) -> WordRows:
    """Every word's own row, and the rows of its character n-grams, which come after those of all words."""
    if not settings.longest:
        return NO_SUBWORDS
    lists = [
        [number, *(len(tokens) + bucket for bucket in ngram_buckets(token, settings))]
        if number >= len(SPECIALS)
        else [0]
        for number, token in enumerate(tokens)
    ]
    starts = np.concatenate([[0], np.cumsum([len(rows) for rows in lists])]).astype(np.int64)
    return WordRows(starts, np.fromiter((row for rows in lists for row in rows), np.int64, int(starts[-1])))


def with_rows_of_documents(word_rows: WordRows, first: int, end: int) -> WordRows:
    """The rows of words that have any, followed by the row `first` to `end` - 1 of each document."""
    if not len(word_rows.rows):
        return word_rows
    numbers = np.arange(first, end)
    starts = word_rows.starts[-1] + np.arange(1, len(numbers) + 1)
    return WordRows(np.concatenate([word_rows.starts, starts]), np.concatenate([word_rows.rows, numbers]))


@compiled
def add_ngrams(marked: Array, ngrams: Array, shortest: int, longest: int, total: Array) -> Any:
    """Adds the rows of the character n-grams of `<word>`, as UTF-8, to `total`; returns their number. Equal to
    `ngram_buckets`; the hash of an n-gram continues that of the n-gram one character shorter."""
    size, count = marked.shape[0], 0
    for first in range(size):
        if marked[first] & 0xC0 == 0x80:
            continue  # inside a character
        value, last = np.uint64(_BASIS), first
        for length in range(1, longest + 1):
            if last >= size:
                break
            while True:
                # fastText reads bytes from 128 on as negative numbers, whose higher bits are set.
                byte = np.uint64(marked[last]) | np.uint64(0xFFFFFF00 if marked[last] >= 128 else 0)
                value = ((value ^ byte) * np.uint64(_PRIME)) & np.uint64(_MASK)
                last += 1
                if last >= size or marked[last] & 0xC0 != 0x80:
                    break
            if length >= shortest and not (length == 1 and (first == 0 or last == size)):
                row = np.int64(value % np.uint64(ngrams.shape[0]))
                for j in range(total.shape[0]):
                    total[j] += ngrams[row, j]
                count += 1
    return count
