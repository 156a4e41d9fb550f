"""From which length on a quantity rises: a line that is level up to there and rises beyond, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

_DRAWN = 999
"""Permutations, and samples drawn again."""

_SIGNIFICANT = 0.01
_BEYOND = 0.1
"""The line rises over this share of the examples at least: fewer do not tell how it rises."""

Values = Float[NDArray[np.float64], " examples"]


@dataclass(frozen=True)
class Onset:
    """`level` up to the length `begins`, and `slope` more for each unit of length beyond. `low` to `high` is the 95 %
    interval of `begins`, from examples drawn again; `shortest` the least length that there is. `p_value`: the share of
    permutations of the examples whose line fits as well."""

    begins: float
    low: float
    high: float
    level: float
    slope: float
    shortest: float
    p_value: float

    @property
    def is_real(self) -> bool:
        return self.p_value <= _SIGNIFICANT

    @property
    def from_the_shortest(self) -> bool:
        """Whether it may rise from the shortest length on, so that it may begin below what can be seen."""
        return self.low <= self.shortest


def onset(lengths: Values, values: Values, weights: Values) -> Onset | None:
    """Fits `level + slope * max(length - begins, 0)`, the slope above 0, by least squares over every length that there
    is (a change point; Hinkley 1971). The variance of a value is taken to be inverse to its weight. None where the
    lengths hardly differ."""
    bends = np.unique(lengths[lengths <= np.quantile(lengths, 1 - _BEYOND)])
    bends = bends[bends < lengths.max()]
    if not len(bends):
        return None
    random = np.random.default_rng(0)
    hinges = np.maximum(lengths[:, None] - bends, 0)  # (examples, bends)
    gains, slopes, levels = (part[0] for part in _fits(hinges, values[None], weights[None]))
    best = int(gains.argmax())

    mean = np.average(values, weights=weights)
    residuals = np.sqrt(weights) * (values - mean)
    permuted = mean + random.permuted(np.tile(residuals, (_DRAWN, 1)), axis=1) / np.sqrt(weights)
    by_chance = _fits(hinges, permuted, np.tile(weights, (_DRAWN, 1)))[0].max(1)
    p_value = (1 + int((by_chance >= gains[best]).sum())) / (1 + _DRAWN)

    counts = random.multinomial(len(values), np.full(len(values), 1 / len(values)), size=_DRAWN)
    drawn = _fits(hinges, np.tile(values, (_DRAWN, 1)), weights * counts)[0].argmax(1)
    low, high = np.percentile(bends[drawn], (2.5, 97.5), method="nearest")
    return Onset(
        float(bends[best]), float(low), float(high), float(levels[best]), float(slopes[best]), float(lengths.min()),
        p_value,
    )  # fmt: skip


def _fits(
    hinges: Float[NDArray[np.float64], "examples bends"],
    values: Float[NDArray[np.float64], "samples examples"],
    weights: Float[NDArray[np.float64], "samples examples"],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(samples, bends) each: by how much a line with the bend makes the sum of squares smaller than a level does, 0
    where it would fall; its slope; its level."""
    total = weights.sum(1, keepdims=True)
    mean_hinge = weights @ hinges / total
    mean = (weights * values).sum(1, keepdims=True) / total
    together = (weights * values) @ hinges - mean * mean_hinge * total
    spread = weights @ hinges**2 - mean_hinge**2 * total
    slopes = np.maximum(together / np.maximum(spread, 1e-12), 0.0)
    return slopes * np.maximum(together, 0.0), slopes, mean - slopes * mean_hinge
