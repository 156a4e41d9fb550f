"""The n-grams of two tries of a bag of words in one, so that a model can be initialised from another."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.distinct import distinct
from seqloom.models.ngram_features import NGrams, trie_of

_NONE = np.zeros(0, np.int64)


class Union(NamedTuple):
    """`first` and `second`: the number in `ngrams` of each n-gram of the two."""

    ngrams: NGrams
    first: NDArray[np.int64]
    second: NDArray[np.int64]


def united(first: NGrams, second: NGrams) -> Union:
    """The n-grams of both, in the vocabulary of the second, which begins with that of the first."""
    vocab_size, tries = len(second.roots), [_Trie(first), _Trie(second)]
    parents, last, places = _NONE, _NONE, [_NONE, _NONE]
    for level in range(max(len(trie.levels) for trie in tries)):
        keys = [trie.keys(level, place, vocab_size) for trie, place in zip(tries, places, strict=True)]
        both = distinct(np.concatenate(keys))
        added = [len(last) + np.searchsorted(both, key) for key in keys]
        places = [np.concatenate(parts) for parts in zip(places, added, strict=True)]
        parents = np.concatenate([parents, both // vocab_size - 1])
        last = np.concatenate([last, both % vocab_size])
    ngrams = trie_of(last.astype(np.int32), parents.astype(np.int32), vocab_size, second.order, second.before)
    return Union(ngrams, *places)


class _Trie:
    """The n-grams with the numbers of their prefixes (-1: none), and those of each length as a slice of them all."""

    def __init__(self, ngrams: NGrams) -> None:
        first_child = ngrams.first_child.numpy().astype(np.int64)
        self.last = ngrams.last_token.numpy().astype(np.int64)
        alone, size = int(first_child[0]), len(self.last)
        self.parents = np.concatenate([np.full(alone, -1), np.repeat(np.arange(size), np.diff(first_child))])
        bounds = [0, alone]
        while bounds[-1] < size:
            bounds.append(int(first_child[bounds[-1]]))
        self.levels = [slice(*pair) for pair in itertools.pairwise(bounds)]

    def keys(self, level: int, places: NDArray[np.int64], vocab_size: int) -> NDArray[np.int64]:
        """The n-grams of a level in increasing order, as (number of the prefix in the union + 1) * vocab_size + last
        token. `places`: the numbers in the union of all shorter n-grams."""
        if level >= len(self.levels):
            return _NONE
        parents = self.parents[self.levels[level]]
        prefixes = places[parents] if level else parents
        return (prefixes + 1) * vocab_size + self.last[self.levels[level]]
