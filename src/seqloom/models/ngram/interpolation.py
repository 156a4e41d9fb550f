"""Two n-gram models interpolated into one: p = weight * p_first + (1 - weight) * p_second for all their n-grams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, UNK
from seqloom.distinct import distinct
from seqloom.models.ngram import query
from seqloom.models.ngram.estimate import LOG_ZERO, Estimates
from seqloom.models.ngram.pruning import num_children, weigh
from seqloom.models.ngram.store import Store
from seqloom.models.ngram.trie import Trie, link_suffixes
from seqloom.processors import over_ranges

_VALID_TOKENS = 1 << 18
_ITERATIONS = 30
_WORD_BITS = np.uint64(32)


def interpolated(first: Store, second: Store, weight: float) -> Store:
    """The union of two models, whose back-off weights are computed anew (static interpolation; Stolcke 2002, section
    3.4). The vocabulary of `first` is the beginning of that of `second`; the other words have the probability 0 in
    it, and are `<unk>` as contexts."""
    trie = _united(first.levels().trie, second.levels().trie)
    link_suffixes(trie)
    log_probs, rows = [], np.arange(trie.vocab_size, dtype=np.int64)[:, None]
    for level in range(trie.order):
        if level:
            parents = np.repeat(rows, num_children(trie, level - 1), 0)
            rows = np.column_stack([parents, trie.words[level].astype(np.int64)])
        mixed = weight * _probabilities(first, rows) + (1 - weight) * _probabilities(second, rows)
        log_probs.append(np.log10(np.maximum(mixed, 10.0**LOG_ZERO)).astype(np.float32))
    backoffs = [np.zeros(len(words), np.float32) for words in trie.words[:-1]]
    estimates = Estimates(trie, log_probs, backoffs, [])
    for level in range(1, trie.order):
        weigh(estimates, level)
    return Store.of(estimates)


def best_weight(first: Store, second: Store, valid: TokenFile) -> float:
    """The weight of `first` that makes the validation text most probable, by expectation maximisation (Jelinek and
    Mercer 1980)."""
    ids = valid.read(0, min(len(valid), _VALID_TOKENS)).astype(np.int64)
    before = np.concatenate([[EOS], ids[:-1]])
    p, q = (_of_targets(store, before[None], ids[None])[0] for store in (first, second))
    weight, possible = 0.5, (p + q) > 0
    for _ in range(_ITERATIONS):
        weight = float((weight * p[possible] / (weight * p[possible] + (1 - weight) * q[possible])).mean())
    return weight


def _united(first: Trie, second: Trie) -> Trie:
    """The n-grams of both."""
    trie = Trie([second.words[0]], [], [])
    places = [np.arange(part.vocab_size, dtype=np.uint64) for part in (first, second)]
    for level in range(1, max(first.order, second.order)):
        keys = [_keys(part, level, place) for part, place in zip((first, second), places, strict=True)]
        united = distinct(np.concatenate(keys))
        parents = (united >> _WORD_BITS).astype(np.int64)
        children = np.bincount(parents, minlength=len(trie.words[-1]))
        trie.begin.append(np.append(0, children.cumsum()).astype(np.uint32))
        trie.words.append((united & np.uint64(2**32 - 1)).astype(np.uint32))
        places = [np.searchsorted(united, key).astype(np.uint64) for key in keys]
    return trie


def _keys(trie: Trie, level: int, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The n-grams of a level as (place of the parent in the united trie, last word)."""
    if level >= trie.order:
        return np.zeros(0, np.uint64)
    parents = np.repeat(places, num_children(trie, level - 1))
    return (parents << _WORD_BITS) | trie.words[level].astype(np.uint64)


def _probabilities(store: Store, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rows,): the probability of the last word of each n-gram after the words before it."""
    if rows.shape[1] == 1:
        known = np.minimum(rows[:, 0], store.vocab_size - 1)
        probabilities = 10.0 ** store.log_probs[known].astype(np.float64)
        return np.where(rows[:, 0] < store.vocab_size, probabilities, 0.0)
    return _of_targets(store, rows[:, :-1], rows[:, 1:])[:, -1]


def _of_targets(store: Store, ids: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rows, time): the probability of each target after all ids of its row up to the same step."""
    known, expected = (np.where(part < store.vocab_size, part, UNK) for part in (ids, targets))
    before = np.full((len(ids), store.order - 1), PAD, np.int64)
    out = np.empty(ids.shape, np.float32)
    over_ranges(len(out), lambda a, b: query.score_steps(store, before, known, expected, out, a, b))
    return np.where(targets < store.vocab_size, 10.0 ** out.astype(np.float64), 0.0)
