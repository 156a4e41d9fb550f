"""Many series of numbers in time, in flat arrays, and the parts of them that are learnt from and scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.frequency import Frequency

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]


class History(NamedTuple):
    """What is known of one series at an origin: `values` (steps,) up to there, the first of them at the step `start` of
    the grid; `past` (steps, columns) covariates known as far; `ahead` (steps + horizon or more, columns) those known
    ahead, none where there are no columns; `static` (columns,)."""

    name: str
    start: int
    values: Vector
    past: Matrix
    ahead: Matrix
    static: Vector


@dataclass(frozen=True)
class Panel:
    """Series on one grid of times, each without gaps.

    Series i has the steps `starts[i]`, `starts[i] + 1`, .. of the grid. `values` (steps of all,) and `past` (steps of
    all, columns) lie series after series between `offsets`; `ahead` (.., columns) between `ahead_offsets`, since it may
    go on after the values; `static` (series, columns).
    """

    names: Sequence[str]
    starts: Ints
    offsets: Ints
    values: Vector
    past: Matrix
    ahead: Matrix
    ahead_offsets: Ints
    static: Matrix
    frequency: Frequency
    period: int

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def of(self, series: int) -> Vector:
        """The values of one series, (steps,)."""
        return self.values[self.offsets[series] : self.offsets[series + 1]]

    def history(self, series: int, origin: int | None = None) -> History:
        """All that is known of a series before the step `origin` of its own; None: all."""
        first, last = int(self.offsets[series]), int(self.offsets[series + 1])
        end = last if origin is None else first + origin
        ahead = self.ahead[self.ahead_offsets[series] : self.ahead_offsets[series + 1]]
        return History(
            self.names[series], int(self.starts[series]), self.values[first:end], self.past[first:end], ahead,
            self.static[series],
        )  # fmt: skip

    def select(self, chosen: Sequence[int] | Ints) -> Panel:
        """The series with these numbers."""

        def rows(array: NDArray[np.float64], offsets: Ints) -> tuple[NDArray[np.float64], Ints]:
            parts = [array[offsets[i] : offsets[i + 1]] for i in chosen]
            return (np.concatenate(parts) if parts else array[:0]), np.cumsum([0, *map(len, parts)]).astype(np.int64)

        index = np.asarray(chosen, np.int64)
        (values, offsets), (past, _) = rows(self.values, self.offsets), rows(self.past, self.offsets)
        ahead, ahead_offsets = rows(self.ahead, self.ahead_offsets)
        return replace(
            self, names=[self.names[i] for i in chosen], starts=self.starts[index], offsets=offsets, values=values,
            past=past, ahead=ahead, ahead_offsets=ahead_offsets, static=self.static[index],
        )  # fmt: skip


@dataclass(frozen=True)
class SeriesData:
    """The part of a panel that one split scores: of series i the steps `first[i]` to `last[i]`, its own counted from 0.
    What comes before them is known, what comes after is not."""

    panel: Panel
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return int(np.maximum(self.last - self.first, 0).sum())

    @property
    def num_lines(self) -> int:
        return len(self.panel)

    def origins(self, horizon: int, step: int = 1, most: int = 0) -> Iterator[tuple[int, int]]:
        """Yields (series, origin) for every origin whose `horizon` steps are all to be scored: the last one, and those
        `step` steps earlier each, at `most` so many (0: all). The earliest comes first."""
        for series in range(len(self.panel)):
            first = max(int(self.first[series]), 1)
            origins = range(int(self.last[series]) - horizon, first - 1, -step)
            for origin in reversed(origins[:most] if most else origins):
                yield series, origin


def whole(panel: Panel) -> SeriesData:
    """All steps of all series."""
    return SeriesData(panel, np.zeros(len(panel), np.int64), panel.lengths.astype(np.int64))


class Splits(NamedTuple):
    train: SeriesData
    valid: SeriesData
    test: SeriesData | None


def split_in_time(panel: Panel, valid_steps: int, test_steps: int, every: int = 1) -> Splits:
    """Each series in three: its last `test_steps` are tested on, the `valid_steps` before are validated on, and what
    comes first is learnt from. A series too short for a part of its own has none of it, the test's going first. Of
    many series, each `every`-th is validated on, and more is learnt from the others."""
    lengths = panel.lengths
    test_first = np.where(lengths > valid_steps + test_steps, lengths - test_steps, lengths)
    validates = (test_first > valid_steps) & (np.arange(len(panel)) % every == 0)
    valid_first = np.where(validates, test_first - valid_steps, test_first)
    zeros = np.zeros(len(panel), np.int64)
    test = SeriesData(panel, test_first, lengths)
    return Splits(
        SeriesData(panel, zeros, valid_first),
        SeriesData(panel, valid_first, test_first),
        test if test_steps and len(test) else None,
    )
