"""The verdict of a comparison: which model won, which models tie, and how much more data or seeds would decide."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seqloom.comparison.statistics import (
    ALPHA,
    Array,
    Enough,
    difference_spread,
    enough,
    half_width,
    holm,
    p_value,
)


@dataclass(frozen=True)
class ModelScores:
    """`scores`: the metric of each seed. `examples`: (seeds, examples) pseudo-values of the metric, None if the
    task has no scores of single examples. A `deterministic` model is trained once, for all seeds."""

    model: str
    scores: Sequence[float]
    examples: Array | None
    deterministic: bool = False

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Difference:
    """The difference of a model to the leader, in the unit of the metric: positive is worse. `low` and `high` are the
    ends of its 95 % interval, `p` is corrected over all pairs (Holm); None if they cannot be computed."""

    model: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    enough: Enough

    @property
    def told_apart(self) -> bool:
        return self.p is not None and self.p < ALPHA

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "enough": self.enough._asdict(), "told_apart": self.told_apart}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Difference:
        fields = {name: value for name, value in content.items() if name != "told_apart"}
        return cls(**{**fields, "enough": Enough(**content["enough"])})


def why_only_an_order(models: Sequence[ModelScores]) -> str:
    """Why the scores give an order only; empty if differences can be tested."""
    if any(scores.examples is None for scores in models):
        return "the task gives no scores of single examples, so chance cannot be ruled out"
    if any(len(scores.scores) < 2 and not scores.deterministic for scores in models):
        return "one seed cannot tell whether another would give the same"
    return ""


def differences(models: Sequence[ModelScores], lower_is_better: bool) -> list[Difference]:
    """The difference of every other model to the first of `models`, which are sorted, the best first.

    The correction is over all pairs, since the data decides which model leads.
    """
    tested = not why_only_an_order(models)
    sign = 1.0 if lower_is_better else -1.0
    pairs = list(itertools.combinations(range(len(models)), 2))
    gaps = [sign * (models[b].mean - models[a].mean) for a, b in pairs]
    if not tested:
        return [
            Difference(models[b].model, gap, None, None, None, Enough(None, None))
            for (a, b), gap in zip(pairs, gaps, strict=True)
            if a == 0
        ]
    spreads = [difference_spread(_examples(models[b]), _examples(models[a])) for a, b in pairs]
    raw = np.array([float(p_value(gap, spread)) for gap, spread in zip(gaps, spreads, strict=True)])
    result = []
    for number, adjusted in enumerate(holm(raw)[: len(models) - 1]):  # the pairs of the first come first
        gap, spread, follower = gaps[number], spreads[number], models[number + 1]
        testable = not np.isnan(raw[number])
        half = float(half_width(spread)) if testable else None
        seeds = max(len(models[0].scores), len(follower.scores))
        result.append(
            Difference(
                model=follower.model,
                difference=gap,
                low=None if half is None else gap - half,
                high=None if half is None else gap + half,
                p=float(adjusted) if testable else None,
                enough=enough(gap, spread, seeds, len(pairs)) if testable else Enough(None, None),
            )
        )
    return result


def _examples(scores: ModelScores) -> Array:
    assert scores.examples is not None
    return scores.examples[:1] if scores.deterministic else scores.examples


def verdict(
    models: Sequence[ModelScores], tested: Sequence[Difference], score: str, lower_is_better: bool, unit: str
) -> str:
    """The verdict in sentences. `models` are sorted, the best first; `unit` is the unit of the test data: line, ..."""
    first = models[0]
    if len(models) < 2:
        return f"There is only one model, {first.model}: nothing to compare it with."
    second, nearest = models[1], tested[0]
    if nearest.difference == 0 and list(first.scores) == list(second.scores):
        return f"{first.model} and {second.model} tie: they reached the same {score}, {plain(first.mean)}."
    ahead = _ahead(first, second, nearest, score, lower_is_better)
    if reason := why_only_an_order(models):
        return f"{first.model} came first: {ahead}. That is an order and no more: {reason}." + (
            " Train more: --seeds 3 or more." if "seed" in reason else ""
        )
    tied = [difference for difference in tested if not difference.told_apart]
    worse = [difference for difference in tested if difference.told_apart]
    pairs = len(models) * (len(models) - 1) // 2
    test = f"corrected for {pairs} pairs (Holm)" if pairs > 1 else "paired over the same examples"
    if not tied:
        return f"{first.model} won: {ahead}; {_p(nearest.p)}, {test}."
    names = listed([first.model, *(difference.model for difference in tied)], "and")
    sentences = [f"{names} tie: there is not enough evidence to tell them apart ({_evidence(tied, test)})."]
    sentences += [f"{first.model} came first: {ahead}."] if nearest in tied else []
    if worse:
        behind = listed([difference.model for difference in worse], "and")
        sentences.append(f"{first.model} is better than {behind} ({_p(max(d.p or 0.0 for d in worse))}).")
    sentences.append(_what_is_enough(first.model, tied[0], unit))
    return " ".join(sentence for sentence in sentences if sentence)


def _ahead(first: ModelScores, second: ModelScores, nearest: Difference, score: str, lower_is_better: bool) -> str:
    gap, reference = abs(nearest.difference), abs(second.mean)
    share = f", {100 * gap / reference:.2g} %" if reference else ""
    interval = ""
    if nearest.low is not None and nearest.high is not None:
        interval = f"; 95 % interval {plain(nearest.low)} to {plain(nearest.high)}"
    return (
        f"its {score} is {plain(gap)} {'lower' if lower_is_better else 'higher'} than that of {second.model} "
        f"({plain(first.mean)} against {plain(second.mean)}{share}{interval})"
    )


def _evidence(tied: Sequence[Difference], test: str) -> str:
    p_values = [difference.p for difference in tied if difference.p is not None]
    if not p_values:
        return "their scores do not vary, so no test is possible"
    return f"{_p(min(p_values))}{' or more' if len(p_values) > 1 else ''}, {test}"


def _what_is_enough(leader: str, difference: Difference, unit: str) -> str:
    seeds, examples = difference.enough
    if difference.p is None:
        return f"More test {many(unit)} are needed."
    choices = [f"{seeds:,} seeds" if seeds else "", f"{_rounded(examples)} test {many(unit)}" if examples else ""]
    if not any(choices):
        return (
            f"If the difference between {leader} and {difference.model} is as small as it looks, it would take both "
            f"more seeds and more test {many(unit)} to show it."
        )
    either = " or ".join(choice for choice in choices if choice)
    return (
        f"If the difference between {leader} and {difference.model} is real, about {either} would be enough to show it."
    )


def _rounded(number: int) -> str:
    """Rounded to two digits, since it is a rough estimate."""
    return f"{int(float(f'{number:.2g}')):,}"


def _p(p: float | None) -> str:
    return "no p-value" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def listed(names: Sequence[str], last: str) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def plain(number: float) -> str:
    """A score as text: three decimals, fewer for large numbers."""
    size = abs(number)
    if size >= 1e7:
        return f"{number:.3g}"
    return f"{number:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def many(unit: str) -> str:
    """The plural of a unit."""
    return unit if unit.endswith("s") else f"{unit}s"
