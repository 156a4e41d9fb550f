"""Assembles a store from n-grams in any order, and adds the prefixes and suffixes that the file left out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.errors import SeqloomError
from seqloom.models.ngram.estimate import Estimates
from seqloom.models.ngram.query import find_child
from seqloom.models.ngram.store import Store
from seqloom.models.ngram.trie import NONE, Trie, link_suffixes


class Grams(NamedTuple):
    """n-grams of one order. `rows`: (n-grams, order) ids; `log_probs` and `backoffs`: log10. NaN as a probability means
    the one that backing off gives."""

    rows: NDArray[np.uint32]
    log_probs: NDArray[np.float32]
    backoffs: NDArray[np.float32]

    def concatenated(self, more: Grams) -> Grams:
        return Grams(
            np.concatenate([self.rows, more.rows]),
            np.concatenate([self.log_probs, more.log_probs]),
            np.concatenate([self.backoffs, more.backoffs]),
        )

    def reordered(self, order: NDArray[np.int64]) -> Grams:
        return Grams(self.rows[order], self.log_probs[order], self.backoffs[order])


def assemble(levels: list[Grams], vocab_size: int) -> Store:
    """The store of the n-grams; `levels[0]` has the whole vocabulary, in order of ids.

    If the n-gram without its last word (prefix) or without its first word (suffix) is missing, it is added with the
    probability that backing off would have given it, so that no distribution changes.
    """
    levels = list(levels)
    trie = Trie([np.arange(vocab_size, dtype=np.uint32)], [], [])
    n = 1
    while n < len(levels):
        rows = _missing(trie, levels[n].rows)
        if len(rows):
            missing = Grams(rows, np.full(len(rows), np.nan, np.float32), np.zeros(len(rows), np.float32))
            levels[n - 1] = levels[n - 1].concatenated(missing)
            n -= 1  # the added n-grams may themselves lack a prefix or a suffix
            trie.words, trie.begin = trie.words[:n], trie.begin[: n - 1]
        else:
            levels[n] = _add_level(trie, levels[n])
            n += 1
    link_suffixes(trie)
    log_probs, backoffs = [level.log_probs for level in levels], [level.backoffs for level in levels]
    for n in range(1, len(levels)):
        added = np.flatnonzero(np.isnan(log_probs[n]))
        parents = np.searchsorted(trie.begin[n - 1], added, side="right") - 1
        log_probs[n][added] = np.minimum(backoffs[n - 1][parents] + log_probs[n - 1][trie.suffix[n][added]], 0)
    return Store.of(Estimates(trie, log_probs, backoffs[:-1], []))


def _missing(trie: Trie, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The distinct prefixes and suffixes of the rows that are not in the trie."""
    if rows.shape[1] == 2:
        return rows[:0, 1:]  # every word is a unigram
    parts = [part[_find(trie, part) == NONE] for part in (rows[:, :-1], rows[:, 1:])]
    return np.unique(np.concatenate(parts), axis=0)


def _add_level(trie: Trie, grams: Grams) -> Grams:
    """Adds a level to the trie; returns its n-grams in order."""
    rows = grams.rows
    parents = _find(trie, rows[:, :-1]).astype(np.uint64)
    keys = (parents << np.uint64(32)) | rows[:, -1]
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys, kind="stable")
        keys, grams = keys[order], grams.reordered(order)
        num_duplicates = int((keys[1:] == keys[:-1]).sum())
        if num_duplicates:
            raise SeqloomError("an n-gram occurs twice", got=f"order {rows.shape[1]}, {num_duplicates} times")
    children = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(trie.words[-1]))
    trie.begin.append(np.append(0, children.cumsum()).astype(np.uint32))
    trie.words.append((keys & np.uint64(2**32 - 1)).astype(np.uint32))
    return grams


def _find(trie: Trie, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The node of each row; NONE if it is not in the trie."""
    nodes = rows[:, 0].copy()
    for n in range(1, rows.shape[1]):
        _descend(trie.begin[n - 1], trie.words[n], np.ascontiguousarray(rows[:, n]), nodes)
    return nodes


@compiled
def _descend(begin: Array, words: Array, next_words: Array, nodes: Array) -> Any:
    for i in range(nodes.shape[0]):
        if nodes[i] != NONE:
            child = find_child(words, np.int64(begin[nodes[i]]), np.int64(begin[nodes[i] + 1]), next_words[i])
            nodes[i] = NONE if child < 0 else child
