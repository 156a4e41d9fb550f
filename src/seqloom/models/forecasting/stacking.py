"""Stacked regressions: the shares of linear maps in a forecast, from their errors on the validation data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqloom.data.series.panel import SeriesData
from seqloom.models.forecasting.linear_maps import Map, blocks

_MIN_SHARE = 0.02
"""Maps with a smaller share are left out."""

_MAX_ERROR = 10.0
"""Errors are clipped at this many times the scale of the series, so that one does not outweigh all others."""

_ROWS = 512
"""Windows in a block: those of all maps are in memory at the same time."""


def stacked(maps: Sequence[Map], valid: SeriesData, period: int) -> list[float]:
    """The shares of the maps, at least 0 with a sum of 1, that minimise the mean squared error of their average on the
    validation data, relative to each series' scale (Breiman 1996)."""
    from scipy.optimize import nnls  # slow to import, and nothing else of forecasts needs it

    products = np.zeros((len(maps), len(maps)))
    for windows_of_maps in zip(*(blocks(valid, fitted.shape, period, _ROWS) for fitted in maps), strict=True):
        relative = [fitted.errors(windows)[1].ravel() for fitted, windows in zip(maps, windows_of_maps, strict=True)]
        errors = np.clip(np.stack(relative), -_MAX_ERROR, _MAX_ERROR)
        products += errors @ errors.T
    size = float(np.trace(products)) / len(maps)
    if not size:
        return [1.0 / len(maps)] * len(maps)
    factor = np.linalg.cholesky(products / size + 1e-9 * np.eye(len(maps)))
    # |L' w|^2 is the squared error; a row of large numbers makes the shares sum to 1.
    rows = np.vstack([factor.T, np.full(len(maps), 1e3)])
    shares, _ = nnls(rows, np.append(np.zeros(len(maps)), 1e3))
    shares = np.where(shares < _MIN_SHARE, 0.0, shares)
    return (shares / shares.sum()).tolist()
