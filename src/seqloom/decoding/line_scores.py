"""Scores of many lines: arrays that can be read as one object for each line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray


class LineScore(NamedTuple):
    """The score of a line, or of a target given its source. `log_prob` in nats, the end of the line included; `tokens`
    counts that end; `unknown`: the number of unknown words."""

    log_prob: float
    tokens: int
    unknown: int


class TokenScore(NamedTuple):
    """A token as text for a reader, and its log-probability in nats given the tokens before it."""

    token: str
    log_prob: float


class LineScores(Sequence[LineScore]):
    """The scores of lines, in order; all arrays are (lines,). Making an object for each line can take as long as
    scoring it, so objects are made on demand."""

    def __init__(self, log_probs: NDArray[np.float64], tokens: NDArray[np.int64], unknown: NDArray[np.int64]) -> None:
        self.log_probs, self.tokens, self.unknown = log_probs, tokens, unknown

    @overload
    def __getitem__(self, index: int) -> LineScore: ...

    @overload
    def __getitem__(self, index: slice) -> LineScores: ...

    def __getitem__(self, index: int | slice) -> LineScore | LineScores:
        parts = self.log_probs[index], self.tokens[index], self.unknown[index]
        if isinstance(index, slice):
            return LineScores(*parts)
        return LineScore(float(parts[0]), int(parts[1]), int(parts[2]))

    def __len__(self) -> int:
        return len(self.log_probs)

    def __iter__(self) -> Iterator[LineScore]:
        return map(LineScore, self.log_probs.tolist(), self.tokens.tolist(), self.unknown.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # the arrays are mutable

    def __repr__(self) -> str:
        return f"LineScores({list(self)})"
