"""Rated pairs: two texts and a human rating of their similarity, separated by tabs; comments are skipped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.data.readers.header_row import RATING_NAMES, names_columns, warn_of_header
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


class RatedPair(NamedTuple):
    first: str
    second: str
    score: float


@readers.register("rated-pairs", "Lines of: text TAB text TAB score of their similarity.")
def rated_pairs(path: str) -> Iterator[RatedPair]:
    """Yields (text, text, score), without whitespace at the ends of the texts.

    Empty lines and comments are skipped, and a header row with a warning. Raises SeqloomError with `file:line` if there
    are not three columns, or the third is not a number.
    """
    is_first = True
    for number, line in enumerate(read_lines(path), 1):
        if line.strip() and not line.startswith("#"):
            cells = line.split("\t")
            if is_first and len(cells) == 3 and names_columns(cells[2:], RATING_NAMES):
                warn_of_header(cells, f"{path}:{number}")
            else:
                yield _parsed(line, f"{path}:{number}")
            is_first = False


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
