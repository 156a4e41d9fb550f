"""Rated pairs: two texts and how alike people find them, separated by tabs; blank lines and those after # are passed
over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


class RatedPair(NamedTuple):
    first: str
    second: str
    score: float


@readers.register("rated-pairs", "Two texts and a score of how similar they are, separated by tabs.")
def rated_pairs(path: str) -> Iterator[RatedPair]:
    """Yields (text, text, score), with the blanks at the texts' ends taken off.

    Raises SeqloomError with `file:line` where there are not three columns, or the third is no number.
    """
    for number, line in enumerate(read_lines(path), 1):
        if line.strip() and not line.startswith("#"):
            yield _parsed(line, f"{path}:{number}")


def _parsed(line: str, where: str) -> RatedPair:
    columns = [column.strip() for column in line.split("\t")]
    try:
        first, second, rated = columns
        score = float(rated)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise SeqloomError(
            "a rated pair is two texts and a number", where=where, got=repr(line), expected="text TAB text TAB score"
        )
    return RatedPair(first, second, score)
