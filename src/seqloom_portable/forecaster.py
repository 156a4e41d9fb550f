"""Networks that forecast the next steps of a series, with quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.closed_form import LARGEST_LOG
from seqloom_portable.engine import Arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.forecast import Forecast, checked_horizon, checked_series, forecast_of
from seqloom_portable.quantiles import calibrated, of_counts, sample

_PATHS = 200


class Forecaster:
    """`levels` of the quantiles; `horizon`, the number of steps that are forecast; `context`, the number of past steps
    that the model uses; `recursive`, whether it forecasts step by step, and so knows longer horizons."""

    reads_numbers = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder = folder
        self.engine = folder.engine("model", threads)
        facts = folder.manifest
        self.recursive = "step" in facts["graphs"]
        self._step = folder.engine("step", threads) if self.recursive else None
        self.levels: list[float] = facts["levels"]
        self.context, self.horizon = facts["context"], facts["horizon"]
        self._columns = [facts[name] for name in ("past", "ahead", "static")]
        self._median = self.levels.index(0.5)
        self._log, self._factors = facts["log"], np.array(facts["factors"])

    def forecast(
        self,
        values: NDArray[Any],
        past: NDArray[Any] | None = None,
        ahead: NDArray[Any] | None = None,
        static: NDArray[Any] | None = None,
        *,
        horizon: int | None = None,
        seed: int = 1,
    ) -> Forecast:
        """Forecasts the steps after `values` (steps,). A model with covariates needs `past` (steps, columns), `ahead`
        (steps + horizon or more, columns) and `static` (columns,), as numbers scaled as in training. Only a model that
        forecasts step by step knows a `horizon` longer than its own; its sample paths are drawn from `seed`."""
        steps_ahead = checked_horizon(horizon, self.horizon, self.recursive)
        series = checked_series(values)
        quantiles = self.quantiles(series, past, ahead, static, steps_ahead, seed)
        return forecast_of(Forecast(quantiles[:, self._median], quantiles), series)

    def quantiles(
        self,
        values: NDArray[np.float64],
        past: NDArray[Any] | None,
        ahead: NDArray[Any] | None,
        static: NDArray[Any] | None,
        horizon: int,
        seed: int,
    ) -> NDArray[Any]:
        """(horizon, levels): calibrated, and possibly negative."""
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
        if self._step is not None:
            return self._along_paths(feeds["windows"], horizon, seed)
        outputs, _ = self.engine(**feeds)
        return (self._of_counts(outputs) if "mean" in outputs else outputs["quantiles"][0])[:horizon]

    def _of_counts(self, outputs: Arrays) -> NDArray[Any]:
        mean, dispersion = (outputs[name][0].astype(np.float64) for name in ("mean", "dispersion"))
        return calibrated(of_counts(mean, dispersion, self.levels), self._factors, self._median)

    def _along_paths(self, windows: NDArray[np.float32], horizon: int, seed: int) -> NDArray[Any]:
        """(horizon, levels): the quantiles of sample paths; each step is sampled and fed back."""
        assert self._step is not None
        rng = np.random.default_rng(seed)
        outputs, _ = self.engine(windows=windows)
        state = {name: np.repeat(outputs[name], _PATHS, 0) for name in self._step.state}
        elements = np.repeat(windows[:, -1:], _PATHS, 0)
        quantiles, steps = np.repeat(outputs["quantiles"], _PATHS, 0), []
        for number in range(horizon):
            sampled = sample(quantiles.astype(np.float64), self.levels, rng)
            steps.append(sampled)
            if number + 1 < horizon:
                elements[:, 0, 0] = sampled
                step_outputs, state = self._step(elements=elements, **state)
                quantiles = step_outputs["quantiles"]
        paths = np.stack(steps, axis=1) * float(outputs["unit"][0, 0]) + float(outputs["level"][0, 0])
        if self._log:
            paths = np.exp(np.minimum(paths, LARGEST_LOG))
        return calibrated(np.quantile(paths, self.levels, axis=0).T, self._factors, self._median)

    def _table(self, name: str, covariates: NDArray[Any] | None, number: int, rows: int) -> NDArray[np.float64]:
        columns = self._columns[number]
        if covariates is None and not columns:
            return np.zeros((rows, 0))
        table = None if covariates is None else np.asarray(covariates, np.float64)
        if table is None or table.ndim != 2 or table.shape[1] != columns or len(table) < rows:
            raise PortableError(f"the model needs {name} covariates: {rows} rows or more of {columns} columns")
        return table
