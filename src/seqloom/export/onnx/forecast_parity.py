"""Compares a forecasting network with its graphs, on series that are smooth, rough, short, or counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch
from seqloom.data.series.panel import History
from seqloom.data.series.windows import history_batch
from seqloom.export.onnx.gate import STEPS, Gate, check_inputs_matter
from seqloom.models.forecasting.calibration import calibrated
from seqloom.models.forecasting.distributions import NegativeBinomial
from seqloom.models.forecasting.forecast import MEDIAN
from seqloom.models.forecasting.mixture import ForecastMixture
from seqloom.models.forecasting.naive import Naive
from seqloom.models.forecasting.network import ForecastNetwork, Sizes
from seqloom.models.forecasting.ridge import Ridge
from seqloom.run import Run
from seqloom.tasks.backtest import forecast_histories
from seqloom_portable.engine import Arrays, Engine


class ForecastParity:
    """Compares the forecasts of random series, short ones too. Differences are shares of the largest value."""

    def __init__(self, model: ForecastNetwork, engines: Mapping[str, Engine], gate: Gate) -> None:
        self.model, self.engines, self.gate = model, engines, gate
        self.sizes = model.dimensions

    def run(self) -> None:
        histories = random_histories(self.sizes, self.model.distribution.of_counts)
        for rows in (histories[:1], histories):
            batch = history_batch(rows, self.sizes.context, self.sizes.horizon)
            feeds = {"windows": batch.inputs.numpy()}
            if batch.source is not None and not self.model.recursive:
                feeds["ahead"] = batch.source.numpy()
            outputs, _ = self.engines["model"](**feeds)
            if self.model.recursive:
                self._steps(batch, outputs)
            elif self.model.distribution.of_counts:
                self._counts(batch, outputs)
            else:
                self._quantiles(rows, outputs)
        check_inputs_matter(self.engines["model"], feeds, {})

    def _compare(self, what: str, got: NDArray[Any], expected: NDArray[Any] | Tensor) -> None:
        largest = max(1.0, float(np.abs(np.asarray(expected)).max()))
        self.gate.compare(f"{what} of {len(got)} series", got / largest, np.asarray(expected) / largest)

    def _quantiles(self, rows: Sequence[History], outputs: Arrays) -> None:
        forecasts = self.model.forecasts(rows, self.sizes.horizon)
        quantiles = [calibrated(forecast, self.model.factors).quantiles for forecast in forecasts]
        self._compare("quantiles", outputs["quantiles"], np.stack(quantiles))

    def _counts(self, batch: Batch, outputs: Arrays) -> None:
        mean, dispersion = NegativeBinomial.moments(self.model.outputs(batch)[0])
        self._compare("logarithms of means", np.log(outputs["mean"]), mean.log())
        self._compare("dispersions", outputs["dispersion"], dispersion)

    def _steps(self, batch: Batch, outputs: Arrays) -> None:
        """The steps of one path for each window, which follows the medians. Compared are values of the series: on the
        scale of a window that is nearly constant, rounding is larger."""
        step, scaled, sequence = self.engines["step"], *self.model.sequence(batch)
        hidden, carried = self.model.layer(sequence)
        hidden, elements = hidden[:, -1:], batch.inputs[:, -1:].numpy().copy()
        self._compare("level", outputs["level"], scaled.level)
        self._compare("unit", outputs["unit"], scaled.unit)
        state = {name: outputs[name] for name in step.state}
        for number in range(STEPS):
            expected = self.model.distribution.quantiles(self.model.output(hidden))[:, 0]
            restored = (part * scaled.unit.numpy() + scaled.level.numpy() for part in (outputs["quantiles"], expected))
            self._compare(f"quantiles of step {number + 1}", *restored)
            elements[:, 0, 0] = expected[:, MEDIAN]
            hidden, carried = self.model.layer(torch.from_numpy(elements), carried)
            outputs, state = step(elements=elements, **state)
        check_inputs_matter(step, {"elements": elements, **state}, {})


def check_forecasts(run: Run, portable: Any, gate: Gate) -> None:
    """Compares whole forecasts, calibrated, of random series of many lengths. Differences are shares of the largest
    value."""
    rng = np.random.default_rng(1)
    fitted_in_training = isinstance(run.model, Naive | Ridge)
    for steps in (2, 3, 20, 200, 1_000) if fitted_in_training else (2, 3, 20, 60):
        for values in (100 + np.cumsum(rng.standard_normal(steps)), rng.standard_normal(steps), np.full(steps, 5.0)):
            for horizon in (1, portable.horizon) if steps == 20 else (portable.horizon,):
                history = _history(run, values, horizon, rng)
                (expected,) = forecast_histories(run.trained, [history], horizon)
                got = portable.forecast(values, *_covariates(run, history), horizon=horizon, name=history.name)
                largest = max(1.0, float(np.abs(expected.quantiles).max()))
                for what in ("point", "quantiles"):
                    pair = (getattr(forecast, what) / largest for forecast in (got, expected))
                    gate.compare(f"{what} after {steps} steps", *pair)


def _history(run: Run, values: NDArray[np.float64], horizon: int, rng: np.random.Generator) -> History:
    codec, steps = run.codec, len(values)
    past, ahead = rng.standard_normal((steps, codec.past)), rng.standard_normal((steps + horizon, codec.ahead))
    return History("a series", 0, values, past, ahead, rng.standard_normal(codec.static))


def _covariates(run: Run, history: History) -> list[NDArray[np.float64] | None]:
    """What the exported model needs besides the values."""
    if isinstance(run.model, ForecastMixture):
        return [history.past, history.ahead, history.static]
    return [history.past if isinstance(run.model, Ridge) else None]


def random_histories(sizes: Sizes, of_counts: bool) -> list[History]:
    """Nine random walks of different roughness, or independent counts with different means; three of them are shorter
    than the context. All have random covariates."""
    rng, steps = np.random.default_rng(1), 2 * sizes.context
    if of_counts:
        rows = rng.poisson(np.geomspace(0.2, 30, 9)[:, None], (9, steps)).astype(np.float64)
    else:
        rows = 100 + np.cumsum(rng.standard_normal((9, steps)), axis=1) * np.geomspace(0.01, 3, 9)[:, None]
    histories = []
    for number, row in enumerate(rows):
        values = row[: sizes.context // 2 + 2] if number % 3 == 0 else row
        past, ahead = (rng.standard_normal((steps + sizes.horizon, n)) for n in (sizes.past, sizes.ahead))
        histories.append(History("", 0, values, past[: len(values)], ahead, rng.standard_normal(sizes.static)))
    return histories
