"""n-grams that come as rows of words, in any order, as a store."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.errors import SeqloomError
from seqloom.models.ngram.estimate import Estimates
from seqloom.models.ngram.store import Store
from seqloom.models.ngram.trie import NONE, Trie, find_child, link_suffixes


class Grams(NamedTuple):
    """n-grams of one order: (n-grams, order) ids, log10 probabilities and back-off weights. A probability of NaN is
    that of backing off."""

    rows: NDArray[np.uint32]
    log_probs: NDArray[np.float32]
    backoffs: NDArray[np.float32]

    def joined(self, more: Grams) -> Grams:
        return Grams(
            np.concatenate([self.rows, more.rows]),
            np.concatenate([self.log_probs, more.log_probs]),
            np.concatenate([self.backoffs, more.backoffs]),
        )

    def reordered(self, order: NDArray[np.int64]) -> Grams:
        return Grams(self.rows[order], self.log_probs[order], self.backoffs[order])


def tree_of(levels: list[Grams], vocab_size: int) -> Store:
    """The store of the n-grams; unigrams are those of the whole vocabulary, in order.

    An n-gram whose first or last words are no n-gram of the order below gets that one: its probability is what backing
    off to it would have given, so no distribution changes.
    """
    n = 1
    levels = list(levels)
    trie = Trie([np.arange(vocab_size, dtype=np.uint32)], [], [])
    while n < len(levels):
        lacking = _lacking(trie, levels[n].rows)
        if len(lacking):
            added = Grams(lacking, np.full(len(lacking), np.nan, np.float32), np.zeros(len(lacking), np.float32))
            levels[n - 1] = levels[n - 1].joined(added)
            n -= 1  # what was added may lack one in turn
            trie.words, trie.begin = trie.words[:n], trie.begin[: n - 1]
        levels[n] = _hang(trie, levels[n])
        n += 1
    link_suffixes(trie)
    log_probs, backoffs = [level.log_probs for level in levels], [level.backoffs for level in levels]
    for n in range(1, len(levels)):
        unknown = np.flatnonzero(np.isnan(log_probs[n]))
        parents = np.searchsorted(trie.begin[n - 1], unknown, side="right") - 1
        log_probs[n][unknown] = backoffs[n - 1][parents] + log_probs[n - 1][trie.suffix[n][unknown]]
    return Store.of(Estimates(trie, log_probs, backoffs[:-1], []))


def _lacking(trie: Trie, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The distinct beginnings and ends of the rows that are not in the tree."""
    if rows.shape[1] == 2:
        return rows[:0, 1:]  # every word is a unigram
    parts = [part[_find(trie, part) == NONE] for part in (rows[:, :-1], rows[:, 1:])]
    return np.unique(np.concatenate(parts), axis=0)


def _hang(trie: Trie, grams: Grams) -> Grams:
    """Adds a level to the tree; returns its n-grams in order."""
    rows = grams.rows
    parents = _find(trie, rows[:, :-1]).astype(np.uint64)
    keys = (parents << np.uint64(32)) | rows[:, -1]
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys, kind="stable")
        keys, grams = keys[order], grams.reordered(order)
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            raise SeqloomError("an n-gram comes twice", got=f"order {rows.shape[1]}, {len(twice)} times")
    children = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(trie.words[-1]))
    trie.begin.append(np.append(0, children.cumsum()).astype(np.uint32))
    trie.words.append((keys & np.uint64(2**32 - 1)).astype(np.uint32))
    return grams


def _find(trie: Trie, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The node of each row; NONE where it is not in the tree."""
    nodes = rows[:, 0].copy()
    for n in range(1, rows.shape[1]):
        _descend(trie.begin[n - 1], trie.words[n], np.ascontiguousarray(rows[:, n]), nodes)
    return nodes


@compiled
def _descend(begin: Array, words: Array, wanted: Array, nodes: Array) -> Any:
    for i in range(nodes.shape[0]):
        if nodes[i] != NONE:
            found = find_child(words, np.int64(begin[nodes[i]]), np.int64(begin[nodes[i] + 1]), wanted[i])
            nodes[i] = NONE if found < 0 else found
