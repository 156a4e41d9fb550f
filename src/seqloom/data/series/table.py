"""From a table to a panel: rows are placed on the grid of times, gaps are filled or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqloom.data.input_source import COLUMNAR, suffix_of
from seqloom.data.series.columns import Columns, ColumnSettings, recognised_columns
from seqloom.data.series.frame import read_frame
from seqloom.data.series.frequency import Frequency, infer_frequency
from seqloom.data.series.grid import aggregated, carried_forward, fill_gaps, joined, placed
from seqloom.data.series.panel import Ints, Matrix, Panel, Vector
from seqloom.data.series.times import parse_times
from seqloom.errors import RequestError, SeqloomError

if TYPE_CHECKING:
    import polars as pl

_MAX_SPARSITY = 20
"""The most steps of the grid for each row: with more, the frequency is wrong."""

_LARGEST = 1e100
"""Sums of squares of more would not be finite."""

_ACTIONS = {"zero": "set to zero", "previous": "filled with the value before", "interpolate": "interpolated"}
"""What is done with a gap, by the rule."""

Categories = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class SeriesTable:
    """A panel, the roles of its columns, the categories of columns of words, and notes for the user."""

    panel: Panel
    columns: Columns
    categories: Categories
    notes: list[str] = field(default_factory=list)


def read_panel(
    path: str, settings: ColumnSettings, columns: Columns | None = None, categories: Categories | None = None,
    frequency: Frequency | None = None,
) -> SeriesTable:  # fmt: skip
    """The series of a file. `columns`, `categories` and `frequency`: those that a model was trained with."""
    return table_of(read_frame(path), path, settings, columns, categories, frequency)


def table_of(
    frame: pl.DataFrame, where: str, settings: ColumnSettings, columns: Columns | None = None,
    categories: Categories | None = None, frequency: Frequency | None = None,
) -> SeriesTable:  # fmt: skip
    """The series of a frame. Raises SeqloomError with `file:line` for what cannot be a series of numbers."""
    if not len(frame):
        raise RequestError("there are no rows", where=where, expected="one row for each time")
    if columns is None:
        columns = recognised_columns(frame, settings, where)
    frame = _with_columns(frame, columns, where)
    reader = _Reader(frame, where, settings, columns, categories)
    return reader.table(frequency)


def _with_columns(frame: pl.DataFrame, columns: Columns, where: str) -> pl.DataFrame:
    missing = [name for name in columns.all() if name not in frame.columns]
    if missing:
        raise RequestError(
            "a column is missing", where=where, got=", ".join(frame.columns), expected=", ".join(columns.all())
        )
    return frame.select(columns.all())


class _Reader:
    """Makes a panel from a frame whose columns are known."""

    def __init__(
        self, frame: pl.DataFrame, where: str, settings: ColumnSettings, columns: Columns, categories: Categories | None
    ) -> None:
        self.frame, self.where, self.settings, self.columns = frame, where, settings, columns
        self.first_line = 1 if suffix_of(where) in COLUMNAR else 2
        self.learns = categories is None
        self.categories: dict[str, Sequence[str]] = dict(categories or {})
        self.notes: list[str] = []

    def table(self, frequency: Frequency | None) -> SeriesTable:
        settings = self.settings
        times = parse_times(self.frame[self.columns.time], settings.date_format, self.where, self.first_line)
        codes, names = self._codes()
        order = np.lexsort((times, codes))
        times, codes = times[order], codes[order]
        starts_here = np.concatenate([[True], np.diff(codes) != 0])
        inferred = infer_frequency(times, starts_here) if frequency is None else frequency
        grid = Frequency.parse(settings.frequency) if settings.frequency else inferred
        coarser = bool(settings.frequency)
        if grid.unit == "step" and times.dtype.kind == "M":
            raise RequestError(
                "the times are dates, and the frequency is a number of steps",
                where="data.frequency",
                got=settings.frequency,
            )
        if coarser:
            steps = grid.floor(times)
        else:
            steps, on_grid = grid.index(times)
            if not on_grid.all():
                raise self._off_grid(order, times, on_grid, grid)
            self._refuse_duplicates(order, codes, steps)
        panels = [
            self._panel(self._numbers(target)[order], codes, steps, order, names if self.columns.series else [target],
                        grid, coarser)
            for target in self.columns.target
        ]  # fmt: skip
        panel = panels[0] if len(panels) == 1 else joined(panels)
        return SeriesTable(panel, self.columns, self.categories, self.notes)

    def _codes(self) -> tuple[Ints, list[str]]:
        """The number of each row's series, in order of appearance, and the names."""
        import polars as pl

        if not self.columns.series:
            return np.zeros(len(self.frame), np.int64), [""]
        column = self.frame[self.columns.series]
        if column.null_count():
            row = int(np.argmax(column.is_null().to_numpy()))
            raise SeqloomError("a row has no series name", where=f"{self.where}:{row + self.first_line}")
        names = column.unique(maintain_order=True)
        codes = column.replace_strict(names, pl.Series(range(len(names))), return_dtype=pl.Int64)
        return codes.to_numpy(), names.cast(pl.String).to_list()

    def _line(self, order: Ints, place: int) -> str:
        return f"{self.where}:{int(order[place]) + self.first_line}"

    def _off_grid(
        self, order: Ints, times: NDArray[np.generic], on_grid: NDArray[np.bool_], grid: Frequency
    ) -> SeqloomError:
        place = int(np.argmin(on_grid))
        return SeqloomError(
            "a time is not on the grid of the others", where=self._line(order, place), got=str(times[place]),
            expected=f"{grid.description} ({grid.text})",
            hint="--set data.frequency=.. aggregates values to a coarser step",
        )  # fmt: skip

    def _refuse_duplicates(self, order: Ints, codes: Ints, steps: Ints) -> None:
        same = (np.diff(codes) == 0) & (np.diff(steps) == 0)
        if same.any():
            place = int(np.argmax(same)) + 1
            raise SeqloomError(
                "two rows of a series have the same time", where=self._line(order, place),
                got=f"{self.frame[self.columns.time][int(order[place])]}, also in line "
                f"{int(order[place - 1]) + self.first_line}",
                expected="one row for each time; a table of several series needs a column of names (data.series)",
            )  # fmt: skip

    def _numbers(self, name: str) -> Vector:
        """A column as numbers, NaN for missing ones."""
        import polars as pl

        column = self.frame[name]
        if not column.dtype.is_numeric() and column.dtype != pl.Boolean:
            numbers = column.cast(pl.Float64, strict=False)
            odd = (numbers.is_null() & column.is_not_null()).arg_true()
            if len(odd):
                raise SeqloomError(
                    "a value is not a number", where=f"{self.where}:{odd[0] + self.first_line}",
                    got=f"{name}: {column[odd[0]]}",
                )  # fmt: skip
            column = numbers
        values = column.cast(pl.Float64).to_numpy().astype(np.float64)
        too_large = np.abs(values) > _LARGEST
        if too_large.any():
            row = int(np.argmax(too_large))
            raise SeqloomError(
                "a value is infinite" if np.isinf(values[row]) else "a value is too large",
                where=f"{self.where}:{row + self.first_line}", got=f"{name}: {values[row]}",
                expected=f"numbers up to {_LARGEST:g}, or an empty cell for a missing value",
            )  # fmt: skip
        return values

    def _covariates(self, names: Sequence[str]) -> Matrix:
        """(rows, columns): numbers as they are, words one-hot."""
        import polars as pl

        parts = []
        for name in names:
            column = self.frame[name]
            if column.dtype == pl.String:
                if self.learns:
                    self.categories[name] = sorted(column.drop_nulls().unique().to_list())
                words = column.to_numpy()
                parts += [(words == word).astype(np.float64) for word in self.categories.get(name, ())]
            else:
                parts.append(self._numbers(name))
        return np.stack(parts, axis=1) if parts else np.zeros((len(self.frame), 0))

    def _panel(
        self, values: Vector, codes: Ints, steps: Ints, order: Ints, names: Sequence[str], frequency: Frequency,
        coarser: bool,
    ) -> Panel:  # fmt: skip
        """The panel of one column of values, with rows in `order`."""
        columns = self.columns
        past, ahead, static = (self._covariates(part)[order] for part in (columns.past, columns.ahead, columns.static))
        if coarser:
            values, past, ahead, static, codes, steps = self._aggregate(values, past, ahead, static, codes, steps)
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            raise SeqloomError("a column has no values", where=self.where, got=names[0])
        present, first_row = np.unique(codes[known], return_index=True)
        last_row = np.concatenate([first_row[1:], [len(known)]]) - 1
        starts, ends = steps[known[first_row]], steps[known[last_row]] + 1
        lengths = ends - starts
        if lengths.sum() > _MAX_SPARSITY * len(known) + 1_000:
            raise RequestError(
                "nearly all steps of the series are missing", where=self.where,
                got=f"{len(known):,} values on {int(lengths.sum()):,} steps, {frequency.description}",
                hint="--set data.frequency=.. sets the frequency",
            )  # fmt: skip
        self._note_empty(names, present)
        place = np.full(len(names), -1, np.int64)
        place[present] = np.arange(len(present))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Covariates that are known ahead stand in rows after the last value.
        rows = np.flatnonzero(place[codes] >= 0)
        final = np.zeros(len(present), np.int64)
        np.maximum.at(final, place[codes[rows]], steps[rows] + 1)
        ahead_lengths = np.maximum(final, ends) - starts
        ahead_offsets = np.concatenate([[0], np.cumsum(ahead_lengths)]).astype(np.int64)
        rows = rows[steps[rows] >= starts[place[codes[rows]]]]
        series, at = place[codes[rows]], steps[rows] - starts[place[codes[rows]]]
        inside = at < lengths[series]
        grid = np.full(int(offsets[-1]), np.nan)
        grid[offsets[series[inside]] + at[inside]] = values[rows[inside]]
        grid_past = placed(past[rows[inside]], offsets[series[inside]] + at[inside], int(offsets[-1]))
        grid_ahead = placed(ahead[rows], ahead_offsets[series] + at, int(ahead_offsets[-1]) if ahead.shape[1] else 0)
        if not ahead.shape[1]:
            ahead_offsets = np.zeros(len(present) + 1, np.int64)
        self._fill(grid, offsets, [names[i] for i in present], frequency, starts)
        period = self.settings.period or frequency.period
        return Panel(
            [names[i] for i in present], starts, offsets, grid, carried_forward(grid_past, offsets),
            carried_forward(grid_ahead, ahead_offsets), ahead_offsets, static[known[first_row]], frequency, period,
        )  # fmt: skip

    def _aggregate(
        self, values: Vector, past: Matrix, ahead: Matrix, static: Matrix, codes: Ints, steps: Ints
    ) -> tuple[Vector, Matrix, Matrix, Matrix, Ints, Ints]:
        """One row for each step of each series."""
        begins = np.concatenate([[True], (np.diff(codes) != 0) | (np.diff(steps) != 0)])
        group, first = np.cumsum(begins) - 1, np.flatnonzero(begins)
        how = self.settings.aggregate
        columns = [aggregated(column, group, len(first), how) for column in (values, *past.T, *ahead.T)]
        between = 1 + past.shape[1]
        matrices = [
            np.stack(part, axis=1) if part else np.zeros((len(first), 0))
            for part in (columns[1:between], columns[between:])
        ]
        return columns[0], matrices[0], matrices[1], static[first], codes[first], steps[first]

    def _note_empty(self, names: Sequence[str], present: Ints) -> None:
        empty = sorted(set(range(len(names))) - set(present.tolist()))
        if empty:
            are = "is" if len(empty) == 1 else "are"
            self.notes.append(f"{len(empty)} series without values {are} left out; the first is {names[empty[0]]}")

    def _fill(self, grid: Vector, offsets: Ints, names: Sequence[str], frequency: Frequency, starts: Ints) -> None:
        """Fills missing values between others, or refuses them."""
        missing = np.isnan(grid)
        if not missing.any():
            return
        first = int(np.argmax(missing))
        series = int(np.searchsorted(offsets, first, side="right")) - 1
        time = frequency.to_text(np.array([starts[series] + first - offsets[series]]))[0]
        which = f"{names[series]} at {time}" if names[series] else time
        rule = self.settings.gaps
        if rule == "refuse":
            raise SeqloomError(
                "values are missing between others", where=self.where,
                got=f"{int(missing.sum()):,}, the first of {which}",
                hint="--set data.gaps=interpolate, previous or zero",
            )  # fmt: skip
        fill_gaps(grid, rule)
        count = int(missing.sum())
        which_were = "is missing and was" if count == 1 else "are missing and were"
        self.notes.append(f"{count:,} of {len(grid):,} values {which_were} {_ACTIONS[rule]}; the first is {which}")
