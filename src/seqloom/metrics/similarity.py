"""Correlation of vector similarities with human scores: Pearson and Spearman, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from seqloom.errors import SeqloomError

_FEWEST = 4
"""The smallest number of pairs; the interval divides by three less."""

_NORMAL_95 = 1.959964


class Similarity(NamedTuple):
    """The correlation of cosines and scores of pairs: `spearman` is between `low` and `high` with 95 % confidence.

    `pairs` were compared; `skipped` pairs have an unknown element.
    """

    spearman: float
    low: float
    high: float
    pearson: float
    pairs: int
    skipped: int


def similarity(
    first: Float[NDArray[np.float32], "pairs size"],
    second: Float[NDArray[np.float32], "pairs size"],
    scores: Sequence[float],
    where: str | None = None,
) -> Similarity:
    """A vector of zeros marks an unknown element. Raises SeqloomError if there is nothing to compare; `where` names the
    file."""
    known = np.logical_and(np.any(first, axis=1), np.any(second, axis=1))
    pairs, skipped = int(known.sum()), int((~known).sum())
    if pairs < _FEWEST:
        expected = f"at least {_FEWEST}"
        raise SeqloomError("the model knows too few of the pairs", where=where, got=pairs, expected=expected)
    rated = np.asarray(scores, dtype=np.float64)[known]
    alike = cosines(first[known], second[known])
    if np.ptp(rated) == 0 or np.ptp(alike) == 0:
        raise SeqloomError("there is nothing to correlate", where=where, got="equal numbers for all pairs")
    correlation = spearman(alike, rated)
    return Similarity(correlation, *spearman_interval(correlation, pairs), pearson(alike, rated), pairs, skipped)


def cosines(
    first: Float[NDArray[np.float32], "pairs size"], second: Float[NDArray[np.float32], "pairs size"]
) -> Float[NDArray[np.float64], " pairs"]:
    """The cosine of the angle between the vectors of each pair; no vector is zero."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def ranks(values: ArrayLike) -> Float[NDArray[np.float64], " values"]:
    """The ranks, 1 for the smallest; equal values have the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The correlation of two rows of numbers, neither of which is constant."""
    a, b = first - first.mean(), second - second.mean()
    return float(np.clip(a @ b / math.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The correlation of the ranks of two rows of numbers, neither of which is constant."""
    return pearson(ranks(first), ranks(second))


def spearman_interval(correlation: float, pairs: int) -> tuple[float, float]:
    """The 95 % interval, by Fisher's z with the variance of Bonett and Wright (2000), (1 + r² / 2) / (n - 3)."""
    if abs(correlation) == 1:
        return correlation, correlation
    half = _NORMAL_95 * math.sqrt((1 + correlation**2 / 2) / (pairs - 3))
    middle = math.atanh(correlation)
    return math.tanh(middle - half), math.tanh(middle + half)
