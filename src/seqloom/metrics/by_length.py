"""Scores by the length of the source, which show losses on long sources that an average hides.

An encoder-decoder without attention passes on one vector for any length, and gets worse with it (Cho et al. 2014,
"On the properties of neural machine translation", figure 4).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from seqloom.errors import SeqloomError
from seqloom.metrics.transduction import Tokens, transduction_scores

_LONG = (5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960)
_LADDERS = (_LONG, tuple(range(2, 41, 2)), tuple(range(1, 41)))
"""Possible ends of buckets, coarse ones first: sentences differ by tens of tokens, words by a few characters."""
_FEW_BUCKETS = 4
_SMALLEST_SHARE, _SMALLEST_COUNT = 0.02, 5


class LengthScores(NamedTuple):
    """The scores of the lines whose sources have `from_length` to `to_length` tokens, inclusive."""

    from_length: int
    to_length: int
    lines: int
    bleu: float
    chrf: float
    exact_match: float
    token_error_rate: float


def scores_by_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    source_lengths: Sequence[int],
    tokens: Tokens = str.split,
) -> list[LengthScores]:
    """`transduction_scores` of every line, in buckets of the source's length in tokens, short ones first.

    Buckets end at round lengths. Each has at least 2 % of the lines, and at least five, if there are as many.
    """
    if len(source_lengths) != len(sources) or not sources:
        raise SeqloomError(
            "each source needs a length",
            got=f"{len(source_lengths)} lengths of {len(sources)} sources",
            expected="equal numbers, at least one",
        )
    rows = []
    for low, high in buckets(source_lengths):
        places = [index for index, length in enumerate(source_lengths) if low <= length <= high]
        scores = transduction_scores(
            [sources[i] for i in places], [hypotheses[i] for i in places], [references[i] for i in places], tokens
        )
        rows.append(LengthScores(low, high, len(places), **scores))
    return rows


def buckets(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """(shortest, longest) of each bucket; together they cover all lengths without gaps."""
    counts = Counter(lengths)
    smallest = max(_SMALLEST_COUNT, math.ceil(_SMALLEST_SHARE * len(lengths)))
    candidates = [_split(counts, ladder, smallest) for ladder in _LADDERS]
    return next((split for split in candidates if len(split) >= _FEW_BUCKETS), max(candidates, key=len))


def _split(counts: Counter[int], ladder: Sequence[int], smallest: int) -> list[tuple[int, int]]:
    """Buckets with ends from the ladder. A bucket that is too small is joined with the next, the last with its
    predecessor."""
    shortest, longest = min(counts), max(counts)
    ends: list[int] = []
    in_bucket, remaining = 0, sum(counts.values())
    low = shortest
    for end in ladder:
        here = sum(counts[length] for length in range(low, end + 1))
        in_bucket, remaining, low = in_bucket + here, remaining - here, max(low, end + 1)
        if in_bucket >= smallest and remaining >= smallest:
            ends.append(end)
            in_bucket = 0
    starts = [shortest, *(end + 1 for end in ends)]
    return list(zip(starts, [*ends, longest], strict=True))


def table(rows: Sequence[LengthScores]) -> str:
    """The rows as a table in plain text."""
    heads = ("source length", "lines", "BLEU", "chrF", "exact match", "token error rate")
    cells = [
        (
            f"{row.from_length}-{row.to_length}" if row.to_length > row.from_length else str(row.from_length),
            f"{row.lines:,}",
            f"{row.bleu:.1f}",
            f"{row.chrf:.1f}",
            f"{row.exact_match:.3f}",
            f"{row.token_error_rate:.3f}",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (heads, *cells)
    )
