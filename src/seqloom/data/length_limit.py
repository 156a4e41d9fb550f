"""Rows of training data that are longer than a limit: left out or cut, with their count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.line_batches import Row, Rows
from seqloom.errors import SeqloomError, warn


class LengthLimit(NamedTuple):
    """`most` tokens of a row, `<eos>` not counted. Longer rows are left out (`skip`) or keep their first
    tokens (`cut`)."""

    most: int
    rule: Literal["skip", "cut"]

    def select(self, lengths: tuple[NDArray[np.int64], ...], unit: str) -> tuple[Rows, tuple[NDArray[np.int64], ...]]:
        """The numbers of the rows to train on, and their lengths on each side, with `<eos>`. Warns of the rows that are
        left out or cut, once; `unit` names a row in the plural. Raises SeqloomError if no row is left."""
        is_longer = np.max(lengths, axis=0) > self.most + 1
        numbers = np.arange(len(is_longer))
        if not is_longer.any():
            return numbers, lengths
        if self.rule == "skip":
            numbers = np.flatnonzero(~is_longer)
            if not len(numbers):
                raise SeqloomError(f"all {unit} are too long", where="data.max_length", got=self.most)
        what = "left out" if self.rule == "skip" else f"cut to {self.most:,} tokens"
        warn(
            f"{int(is_longer.sum()):,} of {len(is_longer):,} training {unit} are longer than the limit, and {what}",
            where="data.max_length",
            got=self.most,
        )
        return numbers, tuple(np.minimum(side[numbers], self.most + 1) for side in lengths)

    def cut(self, rows: Sequence[Any]) -> Sequence[Row]:
        """The rows, of which longer ones keep their first tokens and `<eos>`."""
        return [row if len(row) <= self.most + 1 else np.append(row[: self.most], row[-1]) for row in rows]
