"""Networks that forecast the next steps of a series, with quantiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder


class Forecast(NamedTuple):
    """`point`: (horizon,), the medians; `quantiles`: (horizon, levels)."""

    point: NDArray[np.float32]
    quantiles: NDArray[np.float32]


class Forecaster:
    """`levels` of the quantiles; `horizon`, the number of steps that are forecast; `context`, the number of past steps
    that the model uses."""

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder = folder
        self.engine = folder.engine("model", threads)
        facts = folder.manifest
        self.levels: list[float] = facts["levels"]
        self.context, self.horizon = facts["context"], facts["horizon"]
        self._columns = [facts[name] for name in ("past", "ahead", "static")]
        self._median = self.levels.index(0.5)

    def forecast(
        self,
        values: NDArray[Any],
        past: NDArray[Any] | None = None,
        ahead: NDArray[Any] | None = None,
        static: NDArray[Any] | None = None,
    ) -> Forecast:
        """Forecasts the steps after `values` (steps,). A model with covariates needs `past` (steps, columns), `ahead`
        (steps + horizon or more, columns) and `static` (columns,), as numbers scaled as in training."""
        values = np.asarray(values, np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise PortableError("a series needs at least two numbers in one row, none of them missing")
        steps = np.arange(len(values) - self.context, len(values))
        places = np.maximum(steps, 0)
        tables = (
            self._table("past", past, 0, len(values)),
            self._table("ahead", ahead, 1, len(values) + 1),
        )
        fixed = self._table("static", None if static is None else np.asarray(static)[None], 2, 1)
        parts = [values[places, None], (steps >= 0)[:, None], *(table[places] for table in tables)]
        window = np.concatenate([*parts, np.repeat(fixed, self.context, 0)], axis=1).astype(np.float32)
        feeds = {"windows": window[None]}
        if self._columns[1]:
            after = np.minimum(len(values) + np.arange(self.horizon), len(tables[1]) - 1)
            feeds["ahead"] = tables[1][after][None].astype(np.float32)
        outputs, _ = self.engine(**feeds)
        quantiles = outputs["quantiles"][0]
        if values.min() >= 0:  # a series without negative values gets no negative forecast
            quantiles = np.maximum(quantiles, 0)
        return Forecast(quantiles[:, self._median], quantiles)

    def _table(self, name: str, covariates: NDArray[Any] | None, number: int, rows: int) -> NDArray[np.float64]:
        columns = self._columns[number]
        if covariates is None and not columns:
            return np.zeros((rows, 0))
        table = None if covariates is None else np.asarray(covariates, np.float64)
        if table is None or table.ndim != 2 or table.shape[1] != columns or len(table) < rows:
            raise PortableError(f"the model needs {name} covariates: {rows} rows or more of {columns} columns")
        return table
