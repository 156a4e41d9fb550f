"""The contribution of each test example to a metric, from which the metric's uncertainty is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class ExampleScores:
    """`sums` (examples, columns): the metric of all examples is a function of the totals of the columns.

    `metric` names the function; `unit` is the singular name of an example: line, sentence, source. `overlap`: the
    number of consecutive examples that are about the same values, such as forecasts whose horizons overlap; 1 if
    examples are independent. `groups`: the name of the group of each example, such as its lemma or its author; empty
    where it is in none.
    """

    metric: str
    unit: str
    sums: Sums
    overlap: int = 1
    groups: Sequence[str] | None = None

    @property
    def value(self) -> float:
        """The metric over all examples."""
        return float(_METRICS[self.metric].value(self.sums.sum(0)))

    def by_group(self) -> ExampleScores:
        """The sums of each group, as the scores of one example: examples of a group may be right or wrong together, so
        only groups are independent (Liang and Zeger 1986). Without groups, the scores as they are."""
        if self.groups is None:
            return self
        numbers: dict[str | int, int] = {}
        rows = [numbers.setdefault(group or place, len(numbers)) for place, group in enumerate(self.groups)]
        sums = np.zeros((len(numbers), self.sums.shape[1]))
        np.add.at(sums, rows, self.sums)
        return replace(self, unit="group", sums=sums, groups=None)

    def pseudo_values(self) -> NDArray[np.float64]:
        """(examples,) numbers whose mean is the metric and whose spread is that of the metric.

        The metric plus each example's influence on it (Hampel 1974; the infinitesimal jackknife): the derivative of the
        metric by its totals, times the example's contribution, times the number of examples. For a mean, such as
        accuracy over equally weighted examples, they are the values themselves.
        """
        totals = self.sums.sum(0)
        metric = _METRICS[self.metric]
        return metric.value(totals) + len(self.sums) * (self.sums @ metric.gradient(totals))


@dataclass(frozen=True)
class _Metric:
    """Functions from totals (columns,) to the metric and to its derivative by each total."""

    value: Callable[[Sums], float]
    gradient: Callable[[Sums], Sums]


def _ratio(totals: Sums) -> float:
    return float(totals[0] / totals[1]) if totals[1] else 0.0


def _ratio_gradient(totals: Sums) -> Sums:
    return np.array([1.0, -_ratio(totals)]) / totals[1] if totals[1] else np.zeros(2)


def _perplexity(totals: Sums) -> float:
    return math.exp(min(_ratio(totals), 700.0))


def _rmse(totals: Sums) -> float:
    return math.sqrt(_ratio(totals))


def _rmse_gradient(totals: Sums) -> Sums:
    return _ratio_gradient(totals) / max(2 * _rmse(totals), 1e-12)


def _f1(totals: Sums) -> float:
    """Columns: the numbers of spans that are right, expected and predicted."""
    right, expected, predicted = totals
    return float(2 * right / max(expected + predicted, 1))


def _f1_gradient(totals: Sums) -> Sums:
    both = max(float(totals[1] + totals[2]), 1.0)
    return np.array([2.0, -_f1(totals), -_f1(totals)]) / both


def _bleu(totals: Sums) -> float:
    """BLEU (Papineni et al. 2002) from sacrebleu's statistics: the lengths of hypotheses and references, and for
    n-grams of one to four tokens the matches and their number. Orders without a match are smoothed as in sacrebleu
    (exp)."""
    ours, theirs = totals[:2]
    right, every = totals[2:6], totals[6:10]
    if not ours or not right.any():
        return 0.0
    logs, smoothing = [], 1.0
    for hits, count in zip(right, every, strict=True):
        if not count:
            return 0.0
        if not hits:
            smoothing *= 2
        logs.append(math.log(hits / count if hits else 1 / (smoothing * count)))
    penalty = min(0.0, 1.0 - theirs / ours)
    return 100 * math.exp(penalty + math.fsum(logs) / len(logs))


def _bleu_gradient(totals: Sums) -> Sums:
    ours, theirs = totals[:2]
    right, every = totals[2:6], totals[6:10]
    gradient = np.zeros(10)
    if ours and ours < theirs:
        gradient[:2] = theirs / ours**2, -1 / ours
    gradient[2:6] = np.where(right > 0, 0.25 / np.maximum(right, 1), 0.0)
    gradient[6:10] = -np.where(every > 0, 0.25 / np.maximum(every, 1), 0.0)
    return _bleu(totals) * gradient


_METRICS = {
    "ratio": _Metric(_ratio, _ratio_gradient),
    "perplexity": _Metric(_perplexity, lambda totals: _perplexity(totals) * _ratio_gradient(totals)),
    "rmse": _Metric(_rmse, _rmse_gradient),
    "f1": _Metric(_f1, _f1_gradient),
    "bleu": _Metric(_bleu, _bleu_gradient),
}
