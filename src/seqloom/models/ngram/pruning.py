"""Pruning of n-grams: by count, and by relative entropy (Stolcke 1998)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import SOS
from seqloom.models.ngram.estimate import LOG_ZERO, Estimates, Method
from seqloom.models.ngram.trie import Trie

KeepMasks = list[NDArray[np.bool_]]
"""For each level, which n-grams remain."""


def pruned_by_count(estimates: Estimates, counts: list[NDArray[Any]], method: Method) -> Estimates:
    """The model without the n-grams that `method.prune` removes; the back-off weights already include their probability
    mass."""
    return without(estimates, [c > method.threshold(n) if n else np.ones(len(c), bool) for n, c in enumerate(counts)])


def without(estimates: Estimates, keep: KeepMasks) -> Estimates:
    """The model of the n-grams where `keep` is True. With an n-gram, its prefix and its suffix must be kept."""
    trie, log_probs, backoffs, discounts = estimates
    places = [np.cumsum(mask, dtype=np.int64) - 1 for mask in keep]
    begin = []
    for n in range(trie.order - 1):
        below = np.append(0, places[n + 1] + 1)[trie.begin[n]]  # kept children before the first child of each node
        begin.append(np.append(below[:-1][keep[n]], below[-1]).astype(np.uint32))
    suffix = [trie.suffix[0] if trie.suffix else np.zeros(0, np.uint32)]
    suffix += [places[n - 1][trie.suffix[n][keep[n]]].astype(np.uint32) for n in range(1, trie.order)]
    words = [level[mask] for level, mask in zip(trie.words, keep, strict=True)]
    return Estimates(
        Trie(words, begin, suffix),
        [level[mask] for level, mask in zip(log_probs, keep, strict=True)],
        [level[mask] for level, mask in zip(backoffs, keep[:-1], strict=True)],
        discounts,
    )


def pruned_by_entropy(estimates: Estimates, threshold: float) -> Estimates:
    """The model without the n-grams whose removal, each by itself, raises the perplexity by a smaller share than
    `threshold` (Stolcke 1998, equations 3 to 6). The prefixes and suffixes of an n-gram that is kept are kept too.

    The probability of a context is the model's own, word by word. The back-off weights are recomputed, so that every
    distribution sums to one.
    """
    trie, log_probs, backoffs, _ = estimates
    keep: KeepMasks = [np.ones(len(level), bool) for level in trie.words]
    needed = [np.zeros(len(level), bool) for level in trie.words]
    for n in range(trie.order - 1, 0, -1):
        contexts = _context_log_probs(estimates, n - 1)
        _choose(
            trie.begin[n - 1],
            log_probs[n],
            log_probs[n - 1][trie.suffix[n]],
            backoffs[n - 1],
            contexts,
            needed[n],
            threshold,
            keep[n],
        )
        needed[n - 1][trie.suffix[n][keep[n]]] = True
        needed[n - 1][np.repeat(np.arange(len(needed[n - 1])), num_children(trie, n - 1))[keep[n]]] = True
    pruned = without(estimates, keep)
    for n in range(1, pruned.trie.order):
        weigh(pruned, n)
    return pruned


def num_children(trie: Trie, level: int) -> NDArray[np.int64]:
    """The number of children of each node of a level."""
    begin = trie.begin[level].astype(np.int64)
    return begin[1:] - begin[:-1]


def _context_log_probs(estimates: Estimates, level: int) -> NDArray[np.float64]:
    """log10 p(w1 .. wn) of each n-gram of a level, the product over its words; <sos> has probability 1."""
    trie, log_probs, _, _ = estimates
    total = log_probs[0].astype(np.float64)
    total[SOS] = 0.0
    for n in range(1, level + 1):
        total = np.repeat(total, num_children(trie, n - 1)) + log_probs[n]
    return total


@compiled
def _choose(
    begin: Array,
    log_probs: Array,
    lower: Array,
    backoffs: Array,
    contexts: Array,
    needed: Array,
    threshold: float,
    keep: Array,
) -> None:
    ln10 = np.log(10.0)
    for node in range(begin.shape[0] - 1):
        start, stop = np.int64(begin[node]), np.int64(begin[node + 1])
        seen, seen_below = 0.0, 0.0
        for child in range(start, stop):
            seen += 10.0 ** np.float64(log_probs[child])
            seen_below += 10.0 ** np.float64(lower[child])
        unseen, unseen_below = max(1.0 - seen, 0.0), max(1.0 - seen_below, 0.0)
        history, weight = 10.0 ** contexts[node], np.float64(backoffs[node]) * ln10
        for child in range(start, stop):
            if needed[child]:
                continue
            p, p_below = 10.0 ** np.float64(log_probs[child]), 10.0 ** np.float64(lower[child])
            left, left_below = unseen + p, unseen_below + p_below
            if left <= 0.0 or left_below <= 0.0:
                continue
            new_weight = np.log(left) - np.log(left_below)
            change = p * (np.log(p_below) + new_weight - np.log(p))
            change += unseen * (new_weight - weight) if unseen > 0.0 else 0.0
            keep[child] = np.exp(-history * change) - 1.0 >= threshold


def weigh(estimates: Estimates, level: int) -> None:
    """Computes the back-off weights of a level's contexts, so that every distribution sums to one."""
    trie, log_probs, backoffs, _ = estimates
    lower = log_probs[level - 1][trie.suffix[level]]
    _weights(trie.begin[level - 1], log_probs[level], lower, backoffs[level - 1])


@compiled
def _weights(begin: Array, log_probs: Array, lower: Array, backoffs: Array) -> None:
    for node in range(begin.shape[0] - 1):
        start, stop = np.int64(begin[node]), np.int64(begin[node + 1])
        if start == stop:
            backoffs[node] = 0.0
            continue
        left, left_below = 1.0, 1.0
        for child in range(start, stop):
            left -= 10.0 ** np.float64(log_probs[child])
            left_below -= 10.0 ** np.float64(lower[child])
        if left > 0.0 and left_below > 0.0:
            backoffs[node] = np.log10(left / left_below)
        else:
            backoffs[node] = LOG_ZERO
