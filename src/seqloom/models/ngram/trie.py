"""n-grams of every order as a trie: a node is a word after the words above it, its children are the next words.

The n-grams of level n are in the order of their words, so the children of a node are adjacent. Level 1 is the whole
vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.processors import over_ranges


@dataclass
class Trie:
    """Every list has one entry for each level, level 1 first.

    `words[n]`: the last word of each node. `begin[n]` (nodes + 1): the first child of each node in the level below, for
    all levels except the last. `suffix[n]`: the node one level above with the same words except the first; empty for
    level 1.
    """

    words: list[NDArray[np.uint32]]
    begin: list[NDArray[np.uint32]]
    suffix: list[NDArray[np.uint32]]

    @property
    def order(self) -> int:
        return len(self.words)

    @property
    def vocab_size(self) -> int:
        return len(self.words[0])

    def sizes(self) -> list[int]:
        """The number of nodes of each level."""
        return [len(level) for level in self.words]


def link_suffixes(trie: Trie) -> int:
    """Fills in `suffix`. Returns the number of n-grams without a suffix; their entry is the largest number."""
    trie.suffix = [np.zeros(0, np.uint32)]
    missing = 0
    for level in range(1, trie.order):
        if level == 1:
            trie.suffix.append(trie.words[1])
            continue
        suffix = np.empty(len(trie.words[level]), np.uint32)
        above, begin, words = trie.suffix[level - 1], trie.begin[level - 1], trie.words[level]
        cousins, cousin_words = trie.begin[level - 2], trie.words[level - 1]
        lost: list[int] = []

        def work(first: int, last: int, *arrays: Any, lost: list[int] = lost) -> None:
            lost.append(_link(*arrays, first, last))

        arrays = (begin, words, above, cousins, cousin_words, suffix)
        over_ranges(len(above), lambda first, last, work=work, arrays=arrays: work(first, last, *arrays))  # type: ignore[misc]
        missing += sum(lost)
        trie.suffix.append(suffix)
    return missing


NONE = np.uint32(2**32 - 1)


@compiled
def _link(
    begin: Array, words: Array, above: Array, cousins: Array, cousin_words: Array, suffix: Array, first: int, last: int
) -> int:
    """Links each child of the nodes `first` to `last` to the child of the node's suffix with the same word. Both are
    sorted, so the search continues from the last position."""
    missing: Any = 0
    for node in range(first, last):
        start, stop = np.int64(begin[node]), np.int64(begin[node + 1])
        if start == stop:
            continue
        if above[node] == NONE:
            for child in range(start, stop):
                suffix[child] = NONE
            missing += stop - start
            continue
        low: Any = np.int64(cousins[above[node]])
        end = np.int64(cousins[above[node] + 1])
        for child in range(start, stop):
            word = words[child]
            # Exponential search: the next one is often near.
            step, high = 1, low
            while high < end and cousin_words[high] < word:
                low = high + 1
                high += step
                step *= 2
            high = min(high, end)
            while low < high:
                middle = (low + high) >> 1
                if cousin_words[middle] < word:
                    low = middle + 1
                else:
                    high = middle
            if low < end and cousin_words[low] == word:
                suffix[child] = low
            else:
                suffix[child] = NONE
                missing += 1
    return missing
