"""Random numbers of the compiled loops: subsampling of frequent words, negative samples by the alias method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, inlined
from seqloom.data.tokenizer import EOS, SPECIALS

_TWO_32 = float(2**32)
_FACTOR = np.uint64(2685821657736338717)
_A, _B, _C, _HIGH = np.uint64(12), np.uint64(25), np.uint64(27), np.uint64(32)
_LOW = np.uint64(2**32 - 1)
LINE_END = -1
"""Marks the end of a line among subsampled words."""


@inlined
def seed_state(seed: int, number: int) -> Any:
    """The initial state for a piece of work with this number (splitmix64, Steele et al. 2014); never 0."""
    state = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(number) * np.uint64(0xD1B54A32D192ED03)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))) | np.uint64(1)


@inlined
def next_state(state: Any) -> Any:
    state ^= state >> _A
    state ^= state << _B
    return state ^ (state >> _C)


@inlined
def random_bits(state: Any) -> Any:
    """64 random bits of a state (xorshift64*, Vigna 2016)."""
    return state * _FACTOR


@inlined
def random_below(bits: Any, size: int) -> Any:
    """A random number of at least 0 and less than `size`, which is less than 2^32."""
    return np.int64(((bits >> _HIGH) * np.uint64(size)) >> _HIGH)


class Sampler(NamedTuple):
    """`keep_prob` (vocab,): the probability that subsampling keeps a word, times 2^32. `alias_prob` and `alias`: the
    table of the alias method (Walker 1977) over the words after the special tokens: the probability, times 2^32, that
    an entry stands for its own word, and the word for which it stands otherwise."""

    keep_prob: NDArray[np.uint64]
    alias_prob: NDArray[np.uint64]
    alias: NDArray[np.int32]


def make_sampler(counts: NDArray[np.int64], sample: float, power: float) -> Sampler:
    """`sample`: as in word2vec, a word of frequency f is kept with probability sqrt(s / f) + s / f; 0 keeps all.
    Negative samples are drawn in proportion to the counts to the `power`."""
    words = counts.copy()
    words[: len(SPECIALS)] = 0
    total = max(int(words.sum()), 1)
    share = np.maximum(words, 1) / (total * sample) if sample else np.zeros(len(words))
    with np.errstate(divide="ignore"):
        probability = np.minimum(np.sqrt(1 / share) + 1 / share, 1.0)
    keep_prob = np.minimum(probability * _TWO_32, _TWO_32).astype(np.uint64)
    return Sampler(keep_prob, *_alias_table(words[len(SPECIALS) :].astype(np.float64) ** power))


def _alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    size = len(weights)
    scaled = weights * (size / weights.sum())
    alias = np.arange(size, dtype=np.int32)
    probability = np.ones(size)
    small = [i for i in range(size) if scaled[i] < 1]
    large = [i for i in range(size) if scaled[i] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        probability[low], alias[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return (probability * _TWO_32).astype(np.uint64), alias


@inlined
def draw_negative(bits: Any, alias_prob: Array, alias: Array) -> int:
    """The id of a word, drawn in proportion to its weight."""
    entry = random_below(bits, alias_prob.shape[0])
    if (bits & _LOW) >= alias_prob[entry]:
        entry = np.int64(alias[entry])
    return entry + len(SPECIALS)


@inlined
def subsample(ids: Array, first: int, last: int, keep_prob: Array, state: Any, words: Array) -> Any:
    """Copies the words of `ids[first:last]` that subsampling keeps into `words`, with `LINE_END` after each line.
    Returns their number, and the new state of the random numbers."""
    size = 0
    for i in range(first, last):
        word = ids[i]
        if word == EOS:
            words[size] = LINE_END
            size += 1
        elif word >= len(SPECIALS):
            state = next_state(state)
            if (random_bits(state) >> _HIGH) < keep_prob[word]:
                words[size] = word
                size += 1
    return size, state
