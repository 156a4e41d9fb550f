"""Discounts of Kneser-Ney smoothing and of absolute discounting, estimated from counts of counts."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled

FALLBACK = (0.5, 1.0, 1.5)
"""The default discounts for counts of 1, 2, and 3 or more (those of `lmplz --discount_fallback`)."""

Discounts = tuple[float, float, float]


def modified_kneser_ney(counts: NDArray[Any], order: int) -> Discounts:
    """D_k = k - (k+1) Y n_{k+1} / n_k, Y = n_1 / (n_1 + 2 n_2) (Chen and Goodman 1998, equation 26)."""
    n = _counts_of_counts(counts).tolist()
    if all(n[1:4]):
        y = n[1] / (n[1] + 2 * n[2])
        discounts = tuple(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
        if all(0 <= discount <= k for k, discount in enumerate(discounts, 1)):
            return discounts
    _warn(order, FALLBACK, n)
    return FALLBACK


def absolute(counts: NDArray[Any], order: int) -> Discounts:
    """D = n_1 / (n_1 + 2 n_2), the same for every count (Ney, Essen and Kneser 1994)."""
    n = _counts_of_counts(counts).tolist()
    if n[1] and n[2]:
        return (n[1] / (n[1] + 2 * n[2]),) * 3
    _warn(order, FALLBACK[:1], n)
    return (FALLBACK[0],) * 3


def _warn(order: int, instead: tuple[float, ...], n: list[int]) -> None:
    counts = ", ".join(f"{n[k]} of count {k}" for k in range(1, 5))
    print(
        f"the discounts of {order}-grams cannot be estimated from {counts}; using {', '.join(map(str, instead))}",
        file=sys.stderr,
    )


@compiled
def _counts_of_counts(counts: Array) -> Array:
    """The number of n-grams with each of the counts 0 to 4."""
    n = np.zeros(5, np.int64)
    for i in range(counts.shape[0]):
        if counts[i] < 5:
            n[counts[i]] += 1
    return n
