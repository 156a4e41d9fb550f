"""How many analogies are solved: shares of right answers and their confidence intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

_NORMAL_95 = 1.959964


class Share(NamedTuple):
    """`right` of `asked` questions, which is `accuracy`, between `low` and `high` with 95 % confidence; `skipped` were
    not asked, since one of their words is not known."""

    accuracy: float
    low: float
    high: float
    right: int
    asked: int
    skipped: int

    @classmethod
    def of(cls, right: int, asked: int, skipped: int) -> Share:
        return cls(right / asked if asked else math.nan, *wilson_interval(right, asked), right, asked, skipped)


def wilson_interval(right: int, asked: int) -> tuple[float, float]:
    """Of 95 % confidence for a share (Wilson 1927)."""
    if not asked:
        return 0.0, 1.0
    share, z2 = right / asked, _NORMAL_95**2
    middle = (share + z2 / (2 * asked)) / (1 + z2 / asked)
    half = _NORMAL_95 / (1 + z2 / asked) * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
