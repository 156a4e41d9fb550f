"""Intervals and tests over two sources of variation: the seeds of the trainings and the examples of the test data.

A score of one training on one example varies for three reasons: the seed, the example, and their interaction (a seed
answers other examples right). Seeds and examples are crossed, so the variance of a mean over both is

    Var = var_seed / n + var_example / N + var_interaction / (n N)

and is estimated by a two-way analysis of variance (Searle, Casella and McCulloch 1992, chapter 5). Models are compared
over the same examples, so what is hard about an example cancels in their difference. Quantiles are Student's t. A
bootstrap over seeds and examples has the same parts, but is too narrow with few seeds (LOG.md).

Examples are independent, with two exceptions. Those of one group are added up first, and the group is one example
(`ExampleScores.by_group`). Of forecasts from consecutive origins, whose horizons overlap, the variance holds the
autocovariances (Diebold and Mariano 1995).

All functions take arrays with any leading dimensions, so that many boards are computed at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

LEVEL = 0.95
"""The coverage of every interval."""

ALPHA = 0.05
"""The probability of any false claim on a scoreboard, after the correction (Holm)."""

_POWER = 0.8
_MOST_SEEDS, _MOST_TIMES = 200, 1e6
_TINY = 1e-300
_ROUNDING = 1e-12
"""Of the largest score: a standard error below it is an error of rounding, and no spread."""


class Estimate(NamedTuple):
    """A mean and half the width of its 95 % interval; None if there are too few seeds or examples."""

    mean: float
    half_width: float | None


class Spread(NamedTuple):
    """The variance of an estimate by its sources, with their degrees of freedom. `seeds` and `examples` each include
    the `interaction`."""

    seeds: Array
    seeds_freedom: Array
    examples: Array
    examples_freedom: float | Array
    interaction: Array

    @property
    def total(self) -> Array:
        """The total variance, at least that of either source.

        The interaction is part of both sources, so it is subtracted once, except with two seeds: it is then so
        uncertain that subtracting it calls equal models different on 6 to 8 scoreboards of 100 instead of 5.
        """
        of_seeds = np.maximum(self.seeds, self.interaction)  # the lower bound of it
        twice = of_seeds + self.examples
        once = np.maximum(twice - self.interaction, of_seeds)
        return np.where(self.seeds_freedom <= 2, twice, once)

    @property
    def freedom(self) -> Array:
        """The degrees of freedom of the total (Satterthwaite 1946)."""
        parts = self.seeds**2 / self.seeds_freedom + self.examples**2 / self.examples_freedom
        return np.maximum(self.total**2 / np.maximum(parts, _TINY), 1.0)

    def at(self, seeds: float | Array = 1.0, examples: float | Array = 1.0) -> Spread:
        """The variance with `seeds` times as many seeds and `examples` times as many examples."""
        interaction = self.interaction / (seeds * examples)
        return Spread(
            np.maximum(self.seeds - self.interaction, 0.0) / seeds + interaction,
            (self.seeds_freedom + 1) * seeds - 1,
            np.maximum(self.examples - self.interaction, 0.0) / examples + interaction,
            (self.examples_freedom + 1) * examples - 1,
            interaction,
        )


class _Parts(NamedTuple):
    by_example: Array  # (.., examples), the mean over seeds
    seeds: Array  # the variance of the mean due to seeds, interaction included
    interaction: Array  # the part of it that is interaction
    freedom: int


def _parts(scores: Array) -> _Parts:
    """`scores`: (.., seeds, examples). One seed has no spread: the model is deterministic, or nothing is tested."""
    seeds, examples = scores.shape[-2:]
    by_example, by_seed = scores.mean(-2), scores.mean(-1)
    if seeds < 2:
        nothing = np.zeros(scores.shape[:-2])
        return _Parts(by_example, nothing, nothing, 0)
    residual = scores - by_seed[..., None] - by_example[..., None, :] + by_seed.mean(-1)[..., None, None]
    interaction = (residual**2).sum((-2, -1)) / ((seeds - 1) * max(examples - 1, 1)) / (seeds * examples)
    return _Parts(by_example, by_seed.var(-1, ddof=1) / seeds, interaction, seeds - 1)


def spread(scores: Array, overlap: int = 1) -> Spread:
    """The variance of the mean of `scores` (.., seeds, examples). `overlap`: see `ExampleScores`."""
    parts = _parts(scores)
    return _spread(parts.by_example, overlap, parts)


def difference_spread(first: Array, second: Array, overlap: int = 1) -> Spread:
    """The variance of the difference of two means over the same examples; each model is (.., seeds, examples)."""
    parts = _parts(first), _parts(second)
    spread = _spread(parts[0].by_example - parts[1].by_example, overlap, *parts)
    largest = np.maximum(np.abs(first).max((-2, -1)), np.abs(second).max((-2, -1)))
    varies = ~(spread.total <= (_ROUNDING * largest) ** 2)
    return spread._replace(
        seeds=np.where(varies, spread.seeds, 0.0),
        examples=np.where(varies, spread.examples, 0.0),
        interaction=np.where(varies, spread.interaction, 0.0),
    )


def variance_of_mean(values: Array, overlap: int) -> Array:
    """The variance of the mean of `values` (.., examples), of which each is correlated with the `overlap` - 1 next ones
    (Diebold and Mariano 1995), with the correction for small samples (Harvey, Leybourne and Newbold 1997)."""
    count = values.shape[-1]
    if count < 2:
        return np.full(values.shape[:-1], np.nan)
    centred = values - values.mean(-1, keepdims=True)
    lags = range(1, min(overlap, count))
    gamma_0 = (centred**2).mean(-1)
    gammas = [(centred[..., lag:] * centred[..., :-lag]).sum(-1) / count for lag in lags]
    variance = np.asarray(gamma_0 + 2 * sum(gammas))
    # The sum over lags can be negative; with Bartlett's weights it cannot.
    weighted = gamma_0 + 2 * sum((1 - lag / overlap) * part for lag, part in zip(lags, gammas, strict=True))
    variance = np.where(variance > 0, variance, weighted)
    correction = (count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count
    return variance / count / max(correction, 1 / count)


def _spread(by_example: Array, overlap: int, *models: _Parts) -> Spread:
    examples = by_example.shape[-1]
    among = variance_of_mean(by_example, overlap)
    seeds = np.asarray(sum(model.seeds for model in models))
    # Welch's degrees of freedom: models may vary unequally over seeds.
    squares = sum(model.seeds**2 / model.freedom for model in models if model.freedom)
    freedom = np.where(seeds > 0, seeds**2 / np.maximum(squares, _TINY), 1.0)
    interaction = np.asarray(sum(model.interaction for model in models))
    return Spread(seeds, np.maximum(freedom, 1.0), among, max(examples - 1, 1), interaction)


def half_width(spread: Spread) -> Array:
    """Half the width of the 95 % interval: each source with its own quantile, added as squares (Howe 1974; Graybill and
    Wang 1980). With few seeds this is wider, and safer, than an interval from the degrees of freedom of the total."""
    of_seeds = stats.t.ppf((1 + LEVEL) / 2, spread.seeds_freedom)
    of_examples = stats.t.ppf((1 + LEVEL) / 2, spread.examples_freedom)
    added = np.maximum(spread.seeds - spread.interaction, 0.0)
    return np.sqrt(of_seeds**2 * added + of_examples**2 * spread.examples)


def p_value(difference: ArrayLike, spread: Spread) -> Array:
    """The two-sided p-value that the true difference is 0; NaN if there is no spread."""
    total = np.where(spread.total > 0, spread.total, np.nan)
    return 2 * stats.t.sf(np.abs(difference) / np.sqrt(total), spread.freedom)


def holm(p: ArrayLike) -> Array:
    """Adjusted p-values along the last axis (Holm 1979); NaN counts as 1."""
    values = np.where(np.isnan(p), 1.0, p)
    tests, order = values.shape[-1], np.argsort(values, axis=-1, kind="stable")
    stepped = np.take_along_axis(values, order, -1) * np.arange(tests, 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(stepped, axis=-1), 1.0)
    result = np.empty_like(adjusted)
    np.put_along_axis(result, order, adjusted, -1)
    return result


def detectable(spread: Spread, pairs: int) -> float | None:
    """The smallest true difference that the test finds with a power of 80 %, among `pairs` tested pairs."""
    if not np.isfinite(spread.total):
        return None
    quantiles = stats.t.isf(ALPHA / pairs / 2, spread.freedom) + stats.norm.ppf(_POWER)
    return float(quantiles * np.sqrt(spread.total))


class Enough(NamedTuple):
    """The number of `seeds` with the same test data, or of `examples` with the same seeds, that would probably show the
    observed difference; None if no number of them alone would."""

    seeds: int | None
    examples: int | None


def enough(difference: float, spread: Spread, seeds: int, pairs: int) -> Enough:
    """Enough for a power of 80 % among `pairs` tested pairs; `seeds` is the present number of seeds of each model."""
    examples = int(spread.examples_freedom) + 1
    alpha, distance = ALPHA / pairs, abs(difference)
    beyond = float(stats.norm.ppf(_POWER))

    def shows(larger: Spread) -> NDArray[np.bool_]:
        by_test = (stats.t.isf(alpha / 2, larger.freedom) + beyond) * np.sqrt(larger.total) <= distance
        return np.asarray(by_test & (half_width(larger) <= distance))

    if not distance or not np.isfinite(spread.examples):
        return Enough(None, None)
    numbers = np.arange(max(seeds, 2), _MOST_SEEDS)
    more_seeds = numbers[shows(spread.at(seeds=numbers / max(seeds, 1)))]
    times = np.power(1.1, np.arange(math.ceil(math.log(_MOST_TIMES, 1.1)), dtype=np.float64))
    more_times = times[shows(spread.at(examples=times))]
    return Enough(
        int(more_seeds[0]) if len(more_seeds) else None, round(examples * more_times[0]) if len(more_times) else None
    )
