"""Truncation of long sequences: the first elements, the last, or both."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Part = Literal["start", "end", "both"]
Row = TypeVar("Row", bound=NDArray[np.number])


class Truncation(NamedTuple):
    """The first `most` elements of a longer sequence, its last ones, or half of them from each end; 0 is all."""

    most: int = 0
    part: Part = "start"

    def __call__(self, row: Row) -> Row:
        if not self.most or len(row) <= self.most:
            return row
        first = {"start": self.most, "end": 0, "both": (self.most + 1) // 2}[self.part]
        last = len(row) - (self.most - first)
        return np.concatenate([row[:first], row[last:]])  # type: ignore[return-value]

    def lengths(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lengths after truncation."""
        return np.minimum(lengths, self.most) if self.most else lengths

    def count(self, lengths: NDArray[np.int64]) -> int:
        """How many sequences are truncated."""
        return int((lengths > self.most).sum()) if self.most else 0
