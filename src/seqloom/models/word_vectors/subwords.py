"""Words by their letters: character n-grams hashed into buckets (Bojanowski et al. 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.tokenizer import SPECIALS

_BASIS, _PRIME, _MASK = 2166136261, 16777619, 2**32 - 1


class SubwordSettings(Settings):
    longest: int = Field(
        0, ge=0, le=32, description="letters in the longest n-gram of letters (6 does well); 0: words alone"
    )
    shortest: int = Field(3, ge=1, le=32, description="letters in the shortest")
    buckets: int = Field(200_000, gt=0, le=2**28, description="vectors that all n-grams share")


class Parts(NamedTuple):
    """Word i is made of the `rows[starts[i]:starts[i + 1]]`. Without parts, `starts` has one entry."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int64]


NO_PARTS = Parts(np.zeros(1, np.int64), np.zeros(0, np.int64))


def fnv_1a(text: str) -> int:
    """The hash of 32 bits of the text in UTF-8. Bytes are taken as signed numbers, as fastText does."""
    value = _BASIS
    for byte in text.encode():
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * _PRIME) & _MASK
    return value


def buckets_of(word: str, settings: SubwordSettings) -> list[int]:
    """Those of the n-grams of `<word>`; a single `<` or `>` is none."""
    marked = f"<{word}>"
    places = (
        (first, first + n) for first in range(len(marked)) for n in range(settings.shortest, settings.longest + 1)
    )
    grams = (marked[first:last] for first, last in places if last <= len(marked))
    return [fnv_1a(gram) % settings.buckets for gram in grams if gram not in ("<", ">")]


def parts_of(tokens: Sequence[str], settings: SubwordSettings) -> Parts:
    """Every word's own row, and those of its n-grams, which come after all words'."""
    if not settings.longest:
        return NO_PARTS
    lists = [
        [number, *(len(tokens) + bucket for bucket in buckets_of(token, settings))] if number >= len(SPECIALS) else [0]
        for number, token in enumerate(tokens)
    ]
    starts = np.concatenate([[0], np.cumsum([len(parts) for parts in lists])]).astype(np.int64)
    return Parts(starts, np.fromiter((row for parts in lists for row in parts), np.int64, int(starts[-1])))
