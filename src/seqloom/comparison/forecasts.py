"""The verdict on forecasting models: tests paired over series or origins (Diebold and Mariano 1995), in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seqloom.comparison.statistics import ALPHA, holm
from seqloom.comparison.verdict import listed, p_text, plain
from seqloom.metrics.forecasting import ENOUGH_SERIES, ForecastScores

NAIVE = ("naive", "seasonal-naive", "drift")
LINEAR = ("ar", "ridge")
ONE_FOR_EACH = (*NAIVE, "ar", "ets", "theta")
RECURRENT = ("rnn", "gru", "lstm", "mingru", "ntm")


class Paired(NamedTuple):
    """Two models on the same forecasts: the mean difference of their scaled errors (negative: the first is better), its
    two-sided p-value, and the number of `pairs` of what it is paired `over`: series or origins."""

    difference: float
    p: float
    pairs: int
    over: str


def diebold_mariano(differences: NDArray[np.float64], horizon: int) -> float:
    """The two-sided p-value that the mean loss difference of forecasts `horizon` steps ahead, from consecutive origins,
    is zero (Diebold and Mariano 1995), with the correction for small samples and Student's t (Harvey, Leybourne and
    Newbold 1997). NaN if the losses do not differ."""
    count = len(differences)
    centred = differences - differences.mean()
    lags = range(1, min(horizon, count))
    variance = centred @ centred / count + 2 * sum(centred[lag:] @ centred[:-lag] / count for lag in lags)
    if variance <= 0:  # the sum over lags can be negative; Bartlett's weights cannot
        weights = [1 - lag / horizon for lag in lags]
        variance = centred @ centred / count + 2 * sum(
            weight * (centred[lag:] @ centred[:-lag]) / count for weight, lag in zip(weights, lags, strict=True)
        )
    if variance <= 0:
        return float("nan")
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = differences.mean() / math.sqrt(variance / count) * math.sqrt(max(correction, 1 / count))
    return float(2 * stats.t.sf(abs(statistic), count - 1))


def paired(first: ForecastScores, second: ForecastScores) -> Paired:
    """Compares two models over series if there are at least ten, otherwise over the origins of each."""
    losses = [{(series, origin): loss for series, origin, loss, _ in scores.origins} for scores in (first, second)]
    common = sorted(key for key in losses[0].keys() & losses[1].keys() if np.isfinite(losses[0][key] + losses[1][key]))
    gaps = np.array([losses[0][key] - losses[1][key] for key in common])
    series = np.array([key[0] for key in common])
    names = np.unique(series)
    if len(names) >= ENOUGH_SERIES:
        means = np.array([gaps[series == name].mean() for name in names])
        return Paired(float(means.mean()), _or_one(diebold_mariano(means, 1)), len(means), "series")
    if len(gaps) < 3 or np.ptp(gaps) == 0:
        return Paired(float(gaps.mean()) if len(gaps) else 0.0, 1.0, len(gaps), "origins")
    step = int(np.min(np.diff(sorted(key[1] for key in common if key[0] == names[0])), initial=first.horizon))
    overlap = max(1, -(-first.horizon // max(step, 1)))
    return Paired(float(gaps.mean()), _or_one(diebold_mariano(gaps, overlap)), len(gaps), "origins")


def _or_one(p: float) -> float:
    return 1.0 if np.isnan(p) else p


def forecast_verdict(scores: Mapping[str, ForecastScores]) -> str:
    """Which model forecasts best and which differences are significant; then whether a model beats the naive forecasts,
    a recurrent network an autoregression, and one global model one local model for each series."""
    ranked = sorted(scores, key=lambda model: scores[model].metrics()["mase"])
    return " ".join(part for part in (_leader(ranked, scores), *_questions(ranked, scores)) if part)


def _leader(ranked: Sequence[str], scores: Mapping[str, ForecastScores]) -> str:
    first, followers = ranked[0], ranked[1:]
    mase = plain(scores[first].metrics()["mase"])
    if not followers:
        return f"There is only one model, {first}, with a MASE of {mase}."
    tests = [paired(scores[first], scores[model]) for model in followers]
    corrected = holm([test.p for test in tests])
    ties = [model for model, p in zip(followers, corrected, strict=True) if p >= ALPHA]
    test = f"paired over {tests[0].pairs} {tests[0].over}, corrected for {len(followers)} comparisons"
    if not ties:
        return f"{first} forecasts best, with a MASE of {mase}, and better than each of the others ({test})."
    return f"{first} came first, with a MASE of {mase}, but cannot be told from {listed(ties, 'or')} ({test})."


def _questions(ranked: Sequence[str], scores: Mapping[str, ForecastScores]) -> list[str]:
    naive = [model for model in ranked if model in NAIVE]
    trained = [model for model in ranked if model not in NAIVE]
    sentences = []
    if naive and trained:
        sentences.append(
            _question(trained, naive, scores, "{a} beats the naive forecasts ({b})", "nothing beats {b} significantly")
        )
    recurrent = [model for model in ranked if model in RECURRENT]
    linear = [model for model in ranked if model in LINEAR]
    if recurrent and linear:
        sentences.append(
            _question(
                recurrent, linear, scores,
                "a recurrent network ({a}) beats an autoregression ({b})",
                "a recurrent network ({a}) does not beat an autoregression ({b})",
            )
        )  # fmt: skip
    shared = [model for model in ranked if model not in ONE_FOR_EACH]
    single = [model for model in ranked if model in ONE_FOR_EACH and model not in NAIVE]
    if shared and single and len(scores[ranked[0]].sums) > 1:
        sentences.append(
            _question(
                shared, single, scores, "one model of all series ({a}) beats one for each ({b})",
                "one model of all series ({a}) does not beat one for each ({b})",
            )
        )  # fmt: skip
    return sentences


def _question(
    firsts: Sequence[str], seconds: Sequence[str], scores: Mapping[str, ForecastScores], yes: str, no: str
) -> str:
    """`yes` if the best of the first models is significantly better than the best of the second ones, otherwise `no`,
    with the numbers. The p-value is multiplied by the number of first models, since the best is selected (Bonferroni).
    """
    a, b = firsts[0], seconds[0]
    test = paired(scores[a], scores[b])
    test = test._replace(p=min(1.0, test.p * len(firsts)))
    sentence = (yes if test.difference < 0 and test.p < ALPHA else no).format(a=a, b=b)
    means = f"MASE {plain(scores[a].metrics()['mase'])} against {plain(scores[b].metrics()['mase'])}"
    sentence = sentence if sentence.startswith(a) else sentence[0].upper() + sentence[1:]
    corrected = f", corrected for {len(firsts)} comparisons" if len(firsts) > 1 else ""
    return f"{sentence}: {means}, {p_text(test.p)} over {test.pairs} {test.over}{corrected}."
