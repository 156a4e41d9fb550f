"""Arrays on a grid of equal steps: aggregating, placing rows, filling gaps, joining panels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from seqloom.data.series.panel import Ints, Matrix, Panel, Vector


def aggregated(column: Vector, group: Ints, count: int, how: str) -> Vector:
    """The mean, sum or last number of each group; NaN if it has none."""
    real = ~np.isnan(column)
    if how == "last":
        result = np.full(count, np.nan)
        result[group[real]] = column[real]
        return result
    sizes = np.bincount(group[real], minlength=count)
    sums = np.bincount(group[real], column[real], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes > 0, sums / sizes if how == "mean" else sums, np.nan)


def placed(rows: Matrix, places: Ints, length: int) -> Matrix:
    """(length, columns): the rows at their places, NaN elsewhere."""
    result = np.full((length, rows.shape[1]), np.nan)
    if length:
        result[places] = rows
    return result


def fill_gaps(grid: Vector, rule: str) -> None:
    """Fills missing values in place by `rule`: zero, previous or interpolate. No series begins or ends with a gap, so
    none reaches into another."""
    missing = np.isnan(grid)
    places = np.flatnonzero(~missing)
    if rule == "zero":
        grid[missing] = 0.0
    elif rule == "previous":
        grid[:] = grid[places[np.searchsorted(places, np.arange(len(grid)), side="right") - 1]]
    else:
        grid[missing] = np.interp(np.flatnonzero(missing), places, grid[places])


def carried_forward(grid: Matrix, offsets: Ints) -> Matrix:
    """Fills missing covariates with the value before, within a series, or with the first value."""
    if not np.isnan(grid).any():
        return grid
    for first, last in itertools.pairwise(offsets.tolist()):
        part = grid[first:last]
        for column in part.T:
            places = np.flatnonzero(~np.isnan(column))
            if len(places):
                column[:] = column[
                    places[np.maximum(np.searchsorted(places, np.arange(len(column)), side="right") - 1, 0)]
                ]
            else:
                column[:] = 0.0
    return grid


def joined(panels: Sequence[Panel]) -> Panel:
    """The series of several panels, on one grid."""

    def after(parts: Sequence[Ints]) -> Ints:
        lengths = np.concatenate([np.diff(part) for part in parts])
        return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    return Panel(
        [name for panel in panels for name in panel.names],
        np.concatenate([panel.starts for panel in panels]),
        after([panel.offsets for panel in panels]),
        np.concatenate([panel.values for panel in panels]),
        np.concatenate([panel.past for panel in panels]),
        np.concatenate([panel.ahead for panel in panels]),
        after([panel.ahead_offsets for panel in panels]),
        np.concatenate([panel.static for panel in panels]),
        panels[0].frequency,
        panels[0].period,
    )
