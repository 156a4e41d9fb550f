"""Estimates a back-off model from counts: interpolated modified Kneser-Ney and simpler methods.

Every method has the same form (Chen and Goodman 1998, section 2.8): p(w | h) is the discounted relative frequency plus
gamma(h) p(w | h without its first word); a word not seen after h has gamma(h) p(w | h without its first word).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import PAD, SOS
from seqloom.models.ngram import discounts
from seqloom.models.ngram.counting import Counts
from seqloom.models.ngram.discounts import Discounts
from seqloom.models.ngram.trie import Trie
from seqloom.processors import over_ranges

Smoothing = Literal["kneser-ney", "absolute", "witten-bell", "add-k", "maximum-likelihood"]

LOG_ZERO = np.float32(-99)
"""The value for log10 0 in ARPA files."""


class Estimates(NamedTuple):
    """A back-off model: for each level, the log10 probabilities of its n-grams and, except for the last level, their
    log10 back-off weights. `discounts`: one entry for each level, if the method has discounts."""

    trie: Trie
    log_probs: list[NDArray[np.float32]]
    backoffs: list[NDArray[np.float32]]
    discounts: list[Discounts]


class Method(NamedTuple):
    """`smoothing` with its parameters. `prune[n]`: n-grams of level n with at most this count are pruned."""

    smoothing: Smoothing = "kneser-ney"
    k: float = 1.0
    prune: tuple[int, ...] = ()

    def threshold(self, level: int) -> int:
        """The threshold of a level; the last one also applies to all longer n-grams."""
        return (self.prune[min(level, len(self.prune) - 1)] if self.prune else 0) if level else 0


def estimate(counted: Counts, method: Method) -> Estimates:
    """The model of all counted n-grams. Those below the thresholds of `prune` are still in it; `pruned_by_count`
    removes them.

    If discounts cannot be estimated, default ones are used and a warning is printed on standard error.
    """
    trie, raw = counted
    effective = adjusted_counts(counted) if method.smoothing == "kneser-ney" else raw
    level_discounts: list[Discounts] = []
    probs: list[NDArray[np.float32]] = []
    backoffs: list[NDArray[np.float32]] = []
    for level in range(trie.order):
        # <sos> begins every line and is never predicted, so it is not counted among the unigrams.
        counts = effective[level] if level else _without(effective[0], SOS)
        level_discounts.append(_discounts(method, counts, level + 1))
        rule = _rule(method, level_discounts[level])
        if level == 0:
            probs.append(_unigrams(counts, rule))
        else:
            level_probs, gamma = _conditional(trie, level, counts, raw[level], method, rule, probs[level - 1])
            probs.append(level_probs)
            backoffs.append(gamma)
    if method.smoothing == "add-k":
        _flatten_lower(trie, probs, backoffs)
    return Estimates(trie, [_log10(level) for level in probs], backoffs, level_discounts)


def adjusted_counts(counted: Counts) -> list[NDArray[Any]]:
    """The raw counts of the longest n-grams and of those that begin with <sos>; for all others, the number of distinct
    words that precede them (Heafield et al. 2013, section 3.2)."""
    trie, raw = counted
    adjusted: list[NDArray[Any]] = []
    first, last = SOS, SOS + 1
    for level in range(trie.order - 1):
        extensions = np.zeros(len(raw[level]), np.uint32)
        _count_extensions(trie.suffix[level + 1], extensions)
        extensions[first:last] = raw[level][first:last]
        adjusted.append(extensions)
        first, last = int(trie.begin[level][first]), int(trie.begin[level][last])
    return [*adjusted, raw[-1]]


@compiled
def _count_extensions(suffix: Array, counts: Array) -> None:
    for i in range(suffix.shape[0]):
        counts[suffix[i]] += 1


def _without(counts: NDArray[Any], word: int) -> NDArray[Any]:
    counts = counts.copy()
    counts[word] = 0
    return counts


def _discounts(method: Method, counts: NDArray[Any], order: int) -> Discounts:
    if method.smoothing == "kneser-ney":
        return discounts.modified_kneser_ney(counts, order)
    if method.smoothing == "absolute":
        return discounts.absolute(counts, order)
    return (0.0, 0.0, 0.0)


def _rule(method: Method, of: Discounts) -> NDArray[np.float64]:
    """The parameters of the kernels: the discounts; the mass that every distinct word adds to the lower order; and the
    mass that is added once for each word of the vocabulary."""
    per_word = 1.0 if method.smoothing == "witten-bell" else 0.0
    per_vocabulary = method.k if method.smoothing == "add-k" else 0.0
    return np.array([0.0, *of, per_word, per_vocabulary])


def _unigrams(counts: NDArray[Any], rule: NDArray[np.float64]) -> NDArray[np.float32]:
    """The lower order is uniform over all words, <unk> and <eos>; <sos> has probability 1, as in lmplz."""
    predicted = len(counts) - 2
    classes = np.minimum(counts, 3).astype(np.int64)
    seen = classes > 0
    discounted = rule[classes].sum() + rule[4] * seen.sum() + rule[5] * predicted
    total = counts.sum(dtype=np.float64) + rule[4] * seen.sum() + rule[5] * predicted
    probs = (counts - rule[classes]) / total + discounted / total / predicted
    probs[PAD], probs[SOS] = 0.0, 1.0
    return probs.astype(np.float32)


def _conditional(
    trie: Trie,
    level: int,
    counts: NDArray[Any],
    raw: NDArray[Any],
    method: Method,
    rule: NDArray[np.float64],
    lower: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The probabilities of a level's n-grams, and the log10 back-off weights of their contexts on the level above."""
    begin = trie.begin[level - 1]
    probs, gamma = np.empty(len(counts), np.float32), np.zeros(len(begin) - 1, np.float32)
    threshold, size = method.threshold(level), trie.vocab_size - 2
    flat = method.smoothing == "add-k"

    def work(first: int, last: int) -> None:
        _estimate(begin, counts, raw, threshold, trie.suffix[level], lower, rule, size, flat, probs, gamma, first, last)

    over_ranges(len(gamma), work)
    return probs, gamma


@compiled
def _estimate(
    begin: Array,
    counts: Array,
    raw: Array,
    threshold: int,
    suffix: Array,
    lower: Array,
    rule: Array,
    vocab_size: int,
    flat: bool,
    probs: Array,
    gamma: Array,
    first: int,
    last: int,
) -> None:
    for node in range(first, last):
        start, stop = np.int64(begin[node]), np.int64(begin[node + 1])
        if start == stop:
            continue
        total, discounted, distinct = 0.0, 0.0, 0
        for child in range(start, stop):
            count = counts[child]
            total += count
            if raw[child] > threshold:
                discounted += rule[min(count, 3)]
                distinct += 1
            else:
                discounted += count  # the mass of a pruned n-gram goes to the lower order
        more = rule[4] * distinct + rule[5] * vocab_size
        share = (discounted + more) / (total + more)
        gamma[node] = np.log10(share) if share > 0 else LOG_ZERO
        for child in range(start, stop):
            count = counts[child]
            below = 1.0 / vocab_size if flat else lower[suffix[child]]
            probs[child] = (count - rule[min(count, 3)]) / (total + more) + share * below


def _flatten_lower(trie: Trie, probs: list[NDArray[np.float32]], backoffs: list[NDArray[np.float32]]) -> None:
    """Add-k does not use shorter contexts: after an unseen context, all words are equally probable. A context that
    begins with <sos> cannot be longer."""
    uniform = np.float32(1 / (trie.vocab_size - 2))
    first, last = SOS, SOS + 1
    for level in range(trie.order - 1):
        if level < trie.order - 2:
            weights = backoffs[level]
            weights[:first], weights[last:] = 0.0, 0.0
        after_sos = probs[level][first:last].copy()
        probs[level][:] = uniform
        probs[level][first:last] = after_sos
        if level == 0:
            probs[0][PAD] = 0.0
        first, last = int(trie.begin[level][first]), int(trie.begin[level][last])


def _log10(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """log10 in place, at most 0; LOG_ZERO for probability 0."""
    over_ranges(len(probs), lambda first, last: _log10_of(probs, first, last))
    return probs


@compiled
def _log10_of(probs: Array, first: int, last: int) -> None:
    for i in range(first, last):
        probs[i] = min(np.log10(probs[i]), np.float32(0)) if probs[i] > 0 else LOG_ZERO
