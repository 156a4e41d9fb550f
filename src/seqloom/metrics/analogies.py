"""Accuracy on analogies, with confidence intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

_NORMAL_95 = 1.959964


class Share(NamedTuple):
    """`correct` of `questions`; `accuracy` is their ratio, between `low` and `high` with 95 % confidence; `skipped`
    questions contain an unknown word."""

    accuracy: float
    low: float
    high: float
    correct: int
    questions: int
    skipped: int

    @classmethod
    def of(cls, correct: int, questions: int, skipped: int) -> Share:
        return cls(
            correct / questions if questions else math.nan,
            *wilson_interval(correct, questions),
            correct,
            questions,
            skipped,
        )


def wilson_interval(correct: int, questions: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    if not questions:
        return 0.0, 1.0
    share, z2 = correct / questions, _NORMAL_95**2
    middle = (share + z2 / (2 * questions)) / (1 + z2 / questions)
    half = _NORMAL_95 / (1 + z2 / questions) * math.sqrt(share * (1 - share) / questions + z2 / (4 * questions**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
