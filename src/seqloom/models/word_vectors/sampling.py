"""What is drawn: random numbers of a thread's own, the words that stay, windows, and negatives by their counts."""

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
END = -1
"""Stands between lines."""


@inlined
def seeded(seed: int, number: int) -> Any:
    """The first state for a piece of work of this number (splitmix64, Steele et al. 2014); never 0."""
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
def drawn(state: Any) -> Any:
    """64 random bits (xorshift64*, Vigna 2016)."""
    return state * _FACTOR


@inlined
def below(bits: Any, size: int) -> Any:
    """A number from 0 to before `size`, which is less than 2^32."""
    return np.int64(((bits >> _HIGH) * np.uint64(size)) >> _HIGH)


class Draws(NamedTuple):
    """`keep`: (vocab,) each word's chance to stay, times 2^32. `stay`, `other`: for each place of a table of the words
    after the special ones, the chance times 2^32 that the word of the place is meant, and which one is otherwise (the
    alias method, Walker 1977)."""

    keep: NDArray[np.uint64]
    stay: NDArray[np.uint64]
    other: NDArray[np.int32]


def make_draws(counts: NDArray[np.int64], sample: float, power: float) -> Draws:
    """`sample`: as word2vec has it, a word of frequency f stays with the chance sqrt(s / f) + s / f; 0: all stay.
    Negatives are drawn by the counts to the `power`."""
    words = counts.copy()
    words[: len(SPECIALS)] = 0
    total = max(int(words.sum()), 1)
    share = np.maximum(words, 1) / (total * sample) if sample else np.zeros(len(words))
    with np.errstate(divide="ignore"):
        chance = np.minimum(np.sqrt(1 / share) + 1 / share, 1.0)
    keep = np.minimum(chance * _TWO_32, _TWO_32).astype(np.uint64)
    return Draws(keep, *_alias(words[len(SPECIALS) :].astype(np.float64) ** power))


def _alias(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    size = len(weights)
    scaled = weights * (size / weights.sum())
    other = np.arange(size, dtype=np.int32)
    chance = np.ones(size)
    small = [i for i in range(size) if scaled[i] < 1]
    large = [i for i in range(size) if scaled[i] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        chance[low], other[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return (chance * _TWO_32).astype(np.uint64), other


@inlined
def draw_word(bits: Any, stay: Array, other: Array) -> int:
    """The id of a word."""
    place = below(bits, stay.shape[0])
    if (bits & _LOW) >= stay[place]:
        place = np.int64(other[place])
    return place + len(SPECIALS)


@inlined
def keep_words(ids: Array, first: int, last: int, keep: Array, state: Any, kept: Array) -> Any:
    """Puts the words that stay of `ids[first:last]` into `kept`, with `END` where a line ends. Returns how many, and
    the state of the random numbers."""
    size = 0
    for i in range(first, last):
        word = ids[i]
        if word == EOS:
            kept[size] = END
            size += 1
        elif word >= len(SPECIALS):
            state = next_state(state)
            if (drawn(state) >> _HIGH) < keep[word]:
                kept[size] = word
                size += 1
    return size, state
