"""Many series of numbers in time, in flat arrays, and their training, validation and test parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.series.frequency import Frequency

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]


class History(NamedTuple):
    """The known part of one series at an origin: `values` (steps,) up to there, the first of them at the step `start`
    of the grid; `past` (steps, columns) covariates known as far; `ahead` (steps + horizon or more, columns) those known
    ahead; `static` (columns,)."""

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
    continue after the values; `static` (series, columns).
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
        """The history of a series before its step number `origin`; None: all of it."""
        first, last = int(self.offsets[series]), int(self.offsets[series + 1])
        end = last if origin is None else first + origin
        ahead = self.ahead[self.ahead_offsets[series] : self.ahead_offsets[series + 1]]
        return History(
            self.names[series], int(self.starts[series]), self.values[first:end], self.past[first:end], ahead,
            self.static[series],
        )  # fmt: skip

    def select(self, indices: Sequence[int] | Ints) -> Panel:
        """The series with these numbers."""

        def rows(array: NDArray[np.float64], offsets: Ints) -> tuple[NDArray[np.float64], Ints]:
            parts = [array[offsets[i] : offsets[i + 1]] for i in indices]
            return (np.concatenate(parts) if parts else array[:0]), np.cumsum([0, *map(len, parts)]).astype(np.int64)

        index = np.asarray(indices, np.int64)
        (values, offsets), (past, _) = rows(self.values, self.offsets), rows(self.past, self.offsets)
        ahead, ahead_offsets = rows(self.ahead, self.ahead_offsets)
        return replace(
            self, names=[self.names[i] for i in indices], starts=self.starts[index], offsets=offsets, values=values,
            past=past, ahead=ahead, ahead_offsets=ahead_offsets, static=self.static[index],
        )  # fmt: skip


@dataclass(frozen=True)
class SeriesData:
    """One split of a panel: of series i the steps from `first[i]` to `last[i]`, counted from 0. The steps before are
    known; the steps after are not."""

    panel: Panel
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return int(np.maximum(self.last - self.first, 0).sum())

    @property
    def num_lines(self) -> int:
        return len(self.panel)

    def is_positive(self) -> bool:
        """Whether all values up to the ends of the split are above 0."""
        values = (self.panel.of(series)[: self.last[series]] for series in range(len(self.panel)))
        return all(part.min(initial=1.0) > 0 for part in values)

    def num_origins(self, horizon: int) -> int:
        """The number of all `origins`."""
        return int(np.maximum(self.last - np.maximum(self.first, 1) - horizon + 1, 0).sum())

    def origins(self, horizon: int, step: int = 1, max_origins: int = 0) -> Iterator[tuple[int, int]]:
        """Yields (series, origin) for all origins whose whole horizon lies in the split: the last one and every
        `step`-th before it, at most `max_origins` of each series (0: all), the earliest first."""
        for series in range(len(self.panel)):
            first = max(int(self.first[series]), 1)
            origins = range(int(self.last[series]) - horizon, first - 1, -step)
            for origin in reversed(origins[:max_origins] if max_origins else origins):
                yield series, origin


def all_steps(panel: Panel) -> SeriesData:
    """All steps of all series."""
    return SeriesData(panel, np.zeros(len(panel), np.int64), panel.lengths.astype(np.int64))


class Splits(NamedTuple):
    train: SeriesData
    valid: SeriesData
    test: SeriesData | None


def split_in_time(panel: Panel, valid_steps: int, test_steps: int, every: int = 1) -> Splits:
    """Splits each series in three: the last `test_steps` are the test part, the `valid_steps` before them the
    validation part, the rest the training part. A series that is too short has no validation part, or neither. Of many
    series only each `every`-th has a validation part, which leaves more of the others to train on."""
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
