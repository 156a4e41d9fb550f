"""Differences between models, each pair tested over the same examples and corrected for the number of pairs."""

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
    detectable,
    difference_spread,
    enough,
    half_width,
    holm,
    p_value,
)


@dataclass(frozen=True)
class ModelScores:
    """`scores`: the metric of each seed. `examples`: (seeds, examples) pseudo-values of the metric, None if the
    task has no scores of single examples. A `deterministic` model is trained once, for all seeds. `overlap`: see
    `ExampleScores`."""

    model: str
    scores: Sequence[float]
    examples: Array | None
    deterministic: bool = False
    overlap: int = 1

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Difference:
    """The difference of a model to a better one, the `reference`, in the unit of the metric: positive is worse. `low`
    and `high` are the ends of its 95 % interval, `p` is corrected over all pairs (Holm); None if they cannot be
    computed. `detectable`: the smallest difference that the test would show in four of five comparisons."""

    model: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    enough: Enough
    reference: str = ""
    detectable: float | None = None

    @property
    def told_apart(self) -> bool:
        """By the test and by the interval: with two seeds, the interval is the more cautious of the two."""
        return self.p is not None and self.p < ALPHA and self.low is not None and self.low > 0

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


def pairwise(models: Sequence[ModelScores], lower_is_better: bool) -> list[Difference]:
    """The differences of all pairs of `models`, which are sorted, the best first; the pairs of the first come first.

    The correction is over all pairs, since the data decides which model leads.
    """
    sign = 1.0 if lower_is_better else -1.0
    pairs = list(itertools.combinations(models, 2))
    gaps = [sign * (worse.mean - better.mean) + 0.0 for better, worse in pairs]
    if why_only_an_order(models):
        return [
            Difference(worse.model, gap, None, None, None, Enough(None, None), better.model)
            for (better, worse), gap in zip(pairs, gaps, strict=True)
        ]
    spreads = [difference_spread(_examples(worse), _examples(better), worse.overlap) for better, worse in pairs]
    raw = np.array([float(p_value(gap, spread)) for gap, spread in zip(gaps, spreads, strict=True)])
    adjusted = holm(raw) if pairs else raw
    result = []
    for (better, worse), gap, spread, unadjusted, p in zip(pairs, gaps, spreads, raw, adjusted, strict=True):
        testable = not np.isnan(unadjusted)
        half = float(half_width(spread)) if testable else None
        seeds = max(len(better.scores), len(worse.scores))
        result.append(
            Difference(
                model=worse.model,
                difference=gap,
                low=None if half is None else gap - half,
                high=None if half is None else gap + half,
                p=float(p) if testable else None,
                enough=enough(gap, spread, seeds, len(pairs)) if testable else Enough(None, None),
                reference=better.model,
                detectable=detectable(spread, len(pairs)) if testable else None,
            )
        )
    return result


def to_leader(pairs: Sequence[Difference], models: Sequence[ModelScores]) -> list[Difference]:
    """The differences to the first of the models."""
    return [difference for difference in pairs if difference.reference == models[0].model]


def _examples(scores: ModelScores) -> Array:
    assert scores.examples is not None
    return scores.examples[:1] if scores.deterministic else scores.examples
