"""Queries to an n-gram model in flat arrays: where a word leads from a context.

A context is the node of the longest known suffix of the words read, or -1. If a word was not seen after it, the context
without its first word is tried, at the cost of a back-off weight (Katz 1987); `suffix` links to it. The functions are
in the part of Python and numpy that numba compiles, so that Seqloom can compile them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom_portable.specials import EOS, PAD, SOS

NO_CONTEXT = -1


def find_child(words: Any, first: Any, last: Any, word: Any) -> int:
    """The position of `word` among the children `first` to `last`, or -1. A binary search without branches, which a
    processor could not predict."""
    size = last - first
    if size == 0:
        return -1
    while size > 1:
        half = size >> 1
        first += half if words[first + half - 1] < word else 0
        size -= half
    return first if words[first] == word else -1


def find_after(store: Any, context: Any, word: Any) -> Any:
    """The node of the longest n-gram that ends in `word`, and the sum of the back-off weights on the way to it."""
    sizes, words, _, suffix, backoffs, begin = store
    weight = np.float32(0)
    while context >= 0:
        child = find_child(words, np.int64(begin[context]), np.int64(begin[context + 1]), word)
        if child >= 0:
            return child, weight
        weight += backoffs[context]
        context = np.int64(suffix[context]) if context >= sizes[0] else NO_CONTEXT
    return np.int64(word), weight


def context_of(store: Any, node: Any) -> Any:
    """The context after an n-gram."""
    if node >= store[4].shape[0]:
        return np.int64(store[3][node]) if store[0].shape[0] > 1 else NO_CONTEXT
    return node


def after(store: Any, context: int, word: int) -> int:
    """The context after one more word; <sos> and <eos> both begin a line."""
    if word == PAD:
        return context
    if word in (EOS, SOS):
        return SOS if store[0].shape[0] > 1 else NO_CONTEXT
    return context_of(store, find_after(store, context, word)[0])
