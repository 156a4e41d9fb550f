"""Checks of a comparison: too little test data, models that still improve, budgets overrun, busy machines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from seqloom.comparison.differences import Difference
from seqloom.comparison.scoreboard import Curve, Row
from seqloom.comparison.trainings import LEAST_SHARE
from seqloom.comparison.verdict import listed, many, percent, plain

_OVERRUN = 1.1
_SECONDS_ALLOWED = 2.0
"""A training ends with the step that it is in, and evaluates."""
_LEAST_GAIN = 0.01
"""Of the score: a model that would gain less by twice the time has converged."""
_LEAST_EVALUATIONS = 4


class Extrapolation(NamedTuple):
    """What a model would reach with twice the time: the `score`, and the `gain` in it, 0 if it has converged."""

    model: str
    gain: float
    score: float


def warnings(
    rows: Sequence[Row],
    differences: Sequence[Difference],
    unit: str,
    lower_is_better: bool,
    budget: Mapping[str, float],
    is_comparable: bool = True,
) -> list[str]:
    """Sentences for the report. `differences` are those to the leader; `unit` is the unit of the test data.
    `is_comparable`: whether the scores say which model is better."""
    sentences = [_small_test_data(rows, differences, unit), _still_improving(rows, lower_is_better, is_comparable)]
    if "minutes" in budget:
        sentences.append(_overrun(rows, 60 * budget["minutes"]))
    return [sentence for sentence in sentences if sentence]


def extrapolations(rows: Sequence[Row], lower_is_better: bool) -> list[Extrapolation]:
    """What each model would reach with twice the time, if its curves continue as in their last half; the best first."""
    result = []
    for row in rows:
        gains = [extrapolated_gain(curve, lower_is_better) for curve in row.curves]
        gain = statistics.fmean(gains) if gains and not row.deterministic else 0.0
        if not lower_is_better and max(row.scores) <= 1:  # a share, such as accuracy
            gain = min(gain, 1 - row.score.mean)
        if gain < _LEAST_GAIN * abs(row.score.mean):
            gain = 0.0
        score = row.score.mean - gain if lower_is_better else row.score.mean + gain
        result.append(Extrapolation(row.model, gain, score))
    return sorted(result, key=lambda extrapolation: extrapolation.score if lower_is_better else -extrapolation.score)


def extrapolated_gain(curve: Curve, lower_is_better: bool) -> float:
    """By how much a validation score would improve with twice the time: a straight line through the last half of the
    curve, of the score against the logarithm of the time. Scores above 0 where lower is better (perplexity, scaled
    errors) fall by equal factors, so their logarithm is taken; scores up to 1 (accuracy) end there."""
    points = [(seconds, score) for seconds, score in curve if seconds > 0 and math.isfinite(score)]
    if len(points) < _LEAST_EVALUATIONS:
        return 0.0
    last_half = [point for point in points if point[0] >= points[-1][0] / 2]
    points = last_half if len(last_half) >= 3 else points[-3:]
    times = np.log2([seconds for seconds, _ in points])
    scores = np.array([score for _, score in points])
    if np.ptp(times) == 0:
        return 0.0
    if lower_is_better and scores.min() > 0:
        slope = float(np.polyfit(times, np.log(scores), 1)[0])
        return max(float(scores[-1] * (1 - math.exp(slope))), 0.0)
    slope = float(np.polyfit(times, scores, 1)[0])
    if lower_is_better:
        return max(-slope, 0.0)
    room = 1.0 - scores[-1] if scores.min() >= 0 and scores.max() <= 1 else math.inf
    return max(min(slope, float(room)), 0.0)


def _still_improving(rows: Sequence[Row], lower_is_better: bool, is_comparable: bool) -> str:
    extrapolated = extrapolations(rows, lower_is_better)
    improving = {extrapolation.model: extrapolation for extrapolation in extrapolated if extrapolation.gain}
    if not improving:
        return ""
    sign = "−" if lower_is_better else "+"
    gains = [
        f"{model} ({sign}{plain(improving[model].gain)})" for model in (r.model for r in rows) if model in improving
    ]
    sentence = (
        f"Still improving when the budget ended: {listed(gains, 'and')}, extrapolated to twice the time from the last "
        "half of the learning curves."
    )
    if not is_comparable:
        return sentence
    before, after = [row.model for row in rows], [extrapolation.model for extrapolation in extrapolated]
    if before[0] != after[0]:
        order = listed([f"{p.model} (about {plain(p.score)})" for p in extrapolated[:2]], "before")
        return f"{sentence} With twice the time another model would probably come first: {order}."
    return f"{sentence} With twice the time the same model would probably come first."


def _small_test_data(rows: Sequence[Row], differences: Sequence[Difference], unit: str) -> str:
    """Where the first difference is smaller than what the test data can show."""
    if not differences or differences[0].told_apart or rows[0].examples is None:
        return ""
    nearest = differences[0]
    if not nearest.difference or nearest.detectable is None or nearest.difference >= nearest.detectable:
        return ""
    return (
        f"The test data ({rows[0].examples:,} {many(unit)}) and the seeds are too few for the difference between "
        f"{nearest.reference} and {nearest.model} ({plain(nearest.difference)}): they show differences of "
        f"{plain(nearest.detectable)} or more, in four of five comparisons."
    )


def _overrun(rows: Sequence[Row], budget_seconds: float) -> str:
    late = {
        row.model: row.seconds
        for row in rows
        if not row.deterministic and row.seconds > _OVERRUN * budget_seconds + _SECONDS_ALLOWED
    }
    if not late:
        return ""
    listing = listed([f"{model} ({seconds:,.1f} s)" for model, seconds in late.items()], "and")
    return f"Trained longer than the budget of {budget_seconds:,.0f} s, by long steps or evaluations: {listing}."


def busy_machine(rows: Sequence[Row], budget: Mapping[str, float], left_out: Sequence[str] = ()) -> str:
    """Why there is no verdict, where time was the budget and even the best training had to wait for a processor, or so
    many trainings that fewer than two models are not `left_out`: the order after less training can be another. Empty if
    there is a verdict."""
    shares = [row.processor_share for row in rows if row.processor_share is not None and not row.deterministic]
    if "minutes" not in budget or not shares:
        return ""
    if max(shares) >= LEAST_SHARE and (not left_out or len(rows) - len(left_out) >= 2):
        return ""
    between = " to ".join(dict.fromkeys((percent(min(shares)), percent(max(shares)))))
    return (
        f"No verdict: the machine was busy. The trainings got {between} of the processor time that they could have "
        "used. With all of it they would have seen more data, and the order could be another. Here it was "
        f"{listed([row.model for row in rows], 'and')}. Compare again when the machine is quiet, with another --out, "
        "or give a budget that does not depend on other programs (--updates)."
    )
