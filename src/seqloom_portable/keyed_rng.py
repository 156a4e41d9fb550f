"""Random numbers that depend on a key alone, so that a row's samples do not depend on the other rows of its batch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_BITS = 23


def uniform(keys: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """`count` numbers between 0 and 1, exclusive, for each key: the stream of SplitMix64 started from the key (Steele
    et al. 2014, figure 17; without the last shift, which does not reach the bits used)."""
    mixed = keys[..., None].astype(np.uint64) + _GAMMA * np.arange(1, count + 1, dtype=np.uint64)
    for shift, factor in _MIX:
        mixed ^= mixed >> shift
        mixed *= factor
    integers = (mixed >> np.uint64(64 - _BITS)).astype(np.float32)
    return (integers + np.float32(0.5)) * np.float32(2.0**-_BITS)


def source_key(source: NDArray[Any]) -> int:
    """A number for a source, its token ids or frames, that is equal for equal sources."""
    return zlib.crc32(np.ascontiguousarray(source).tobytes())


def token_keys(source_keys: Sequence[int], longest: NDArray[np.int64], samples: int, seed: int) -> NDArray[np.int64]:
    """(sources, samples, longest): a random key for each possible token of each sample. It depends only on the seed,
    the source and the number of the sample. `longest`: the length at which the targets of each source are truncated."""
    keys = np.zeros((len(source_keys), samples, int(longest.max())), np.int64)
    for rows, key, most in zip(keys, source_keys, longest, strict=True):
        for sample, row in enumerate(rows):
            row[:most] = np.random.default_rng([seed, key, sample]).integers(2**63, size=most)
    return keys


def draw(probs: NDArray[Any], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Samples a token for each row from its probabilities: exponential clocks run for all tokens, and the first wins.

    A different rounding of the probabilities changes a sample only if two clocks nearly tie, one time in a million. A
    search in the cumulative probabilities would change it at any of thousands of boundaries.
    """
    return (probs.astype(np.float32) / -np.log(uniform(keys, probs.shape[-1]))).argmax(-1)
