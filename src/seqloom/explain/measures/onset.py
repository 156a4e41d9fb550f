"""From which length on a quantity rises: a ramp fitted to single examples, with an interval of its beginning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

_DRAWN = 999
"""Permutations, and samples drawn again."""

_SIGNIFICANT = 0.01
_BEYOND = 0.1
"""The ramp begins below the lengths of this share of the examples at least: fewer do not tell how it rises."""

_MOST_BENDS = 24
"""Lengths at which a ramp may begin or end."""

Values = Float[NDArray[np.float64], " examples"]


@dataclass(frozen=True)
class Onset:
    """`level` up to the length `begins`, `slope` more for each unit of length beyond, and level again from `ends` on.
    `low` to `high` is the 95 % interval of `begins`, from examples drawn again; `shortest` the least length that there
    is. `p_value`: the share of permutations of the examples to which a ramp fits as well."""

    begins: float
    low: float
    high: float
    ends: float
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

    def at(self, length: float) -> float:
        """The height of the ramp."""
        return self.level + self.slope * (min(max(length, self.begins), self.ends) - self.begins)


def onset(lengths: Values, values: Values, weights: Values) -> Onset | None:
    """Fits a ramp, the slope above 0, by least squares over all lengths at which it may begin and end (change points;
    Hinkley 1971). The variance of a value is taken to be inverse to its weight. None where the lengths hardly differ.
    """
    begins, ends = _bends(lengths)
    if not len(begins):
        return None
    rng = np.random.default_rng(0)
    ramps = np.clip(lengths[:, None], begins, ends) - begins
    gains, slopes, levels = (part[0] for part in _fits(ramps, values[None], weights[None]))
    best = int(gains.argmax())

    mean = np.average(values, weights=weights)
    residuals = np.sqrt(weights) * (values - mean)
    permuted = mean + rng.permuted(np.tile(residuals, (_DRAWN, 1)), axis=1) / np.sqrt(weights)
    by_chance = _fits(ramps, permuted, weights[None])[0].max(1)
    p_value = (1 + int((by_chance >= gains[best]).sum())) / (1 + _DRAWN)

    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=_DRAWN)
    drawn = _fits(ramps, values[None], weights * counts)[0].argmax(1)
    low, high = np.percentile(begins[drawn], (2.5, 97.5), method="nearest")
    return Onset(
        float(begins[best]), float(low), float(high), float(ends[best]), float(levels[best]), float(slopes[best]),
        float(lengths.min()), p_value,
    )  # fmt: skip


def _bends(lengths: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The beginnings and the ends of all ramps."""
    distinct = np.unique(lengths)
    places = np.unique(np.linspace(0, len(distinct) - 1, min(_MOST_BENDS, len(distinct))).round().astype(np.int64))
    bends = distinct[places]
    begins, ends = (grid.ravel() for grid in np.meshgrid(bends, bends))
    possible = (begins < ends) & (begins <= np.quantile(lengths, 1 - _BEYOND))
    return begins[possible], ends[possible]


def _fits(
    ramps: Float[NDArray[np.float64], "examples bends"],
    values: Float[NDArray[np.float64], "#samples examples"],
    weights: Float[NDArray[np.float64], "#samples examples"],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(samples, bends) each: by how much a ramp makes the sum of squares smaller than a level does, 0 where it would
    fall; its slope; its level. All samples may share their values or their weights."""
    total = weights.sum(1, keepdims=True)
    mean_ramp = weights @ ramps / total
    mean = (weights * values).sum(1, keepdims=True) / total
    together = (weights * values) @ ramps - mean * mean_ramp * total
    spread = weights @ ramps**2 - mean_ramp**2 * total
    slopes = np.maximum(together / np.maximum(spread, 1e-12), 0.0)
    return slopes * np.maximum(together, 0.0), slopes, mean - slopes * mean_ramp
