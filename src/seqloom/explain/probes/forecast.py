"""Contexts of series: the errors of forecasts when only the last k values before an origin are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.config import flatten
from seqloom.data.batches import Batch
from seqloom.data.series.panel import History, SeriesData
from seqloom.data.series.recipe import SeriesCodec
from seqloom.data.series.windows import history_batch
from seqloom.errors import RequestError
from seqloom.explain.probes.probe import (
    LONGEST,
    ROWS,
    Attributable,
    ContextLimit,
    EndLoss,
    NetworkProbe,
    Probe,
    copies,
    example_number,
    spread,
)
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.forecast import MEDIAN
from seqloom.models.forecasting.network import ForecastNetwork
from seqloom.tasks.backtest import forecast_histories
from seqloom.tasks.capabilities import Trained

_ORIGINS, _LEAST = 200, 8
_SIMULATED_ORIGINS = 24
"""Of models whose forecasts are simulated paths, which take long."""


class SeriesContexts(Probe):
    """Forecasts from origins all over the data. Cut, the values before the last k are all set to the first of these, as
    a past that is not known is filled everywhere; the coefficients of a fitted model stay."""

    unit: ClassVar[str] = "steps"
    score: str = "absolute error over the mean step"
    smallest = 1

    def __init__(self, trained: Trained, data: SeriesData) -> None:
        self.trained, self.data = trained, data
        codec: SeriesCodec = trained.codec
        self.horizon = codec.horizon
        pairs = [pair for pair in data.origins(self.horizon) if pair[1] >= _LEAST]
        if not pairs:
            raise RequestError("no series has an origin to forecast from", got=f"a horizon of {self.horizon}")
        most = _SIMULATED_ORIGINS if isinstance(trained.model, Autoregressive) else _ORIGINS
        self.pairs = [pairs[i] for i in spread(len(pairs), most)]
        self.histories = [data.panel.history(series, origin) for series, origin in self.pairs]
        self.actual = np.stack([data.panel.of(s)[o : o + self.horizon] for s, o in self.pairs])
        self.scales = np.array([max(float(np.abs(np.diff(h.values)).mean()), 1e-12) for h in self.histories])
        self.longest = min(LONGEST, max(len(history.values) for history in self.histories))
        context = flatten(trained.settings).get("model.context")
        self.limit = ContextLimit("model.context", context) if context else None

    def losses(self, context: int) -> NDArray[np.float64]:
        cut = [cut_history(history, context) for history in self.histories]
        forecasts = forecast_histories(self.trained, cut, self.horizon, refit=False)
        points = np.stack([forecast.point for forecast in forecasts])
        return np.abs(points - self.actual).mean(1) / self.scales


class NetworkSeriesContexts(SeriesContexts, NetworkProbe):
    """The same of a network."""

    reads_elements: ClassVar[bool] = False

    def __init__(self, trained: Trained, data: SeriesData) -> None:
        super().__init__(trained, data)
        self.network: ForecastNetwork = trained.model
        self.device = self.network.sizes.device
        self.longest = min(self.longest, self.network.dimensions.context)

    def end_loss(self, network: nn.Module, at_start: bool = False) -> EndLoss:  # noqa: ARG002
        """The loss of all steps ahead, which the network reads from its last output; of a network that forecasts step
        by step, that of the first step."""
        assert isinstance(network, ForecastNetwork)
        batch = self._batch(self.histories[:ROWS])
        targets = torch.from_numpy(self.actual[:ROWS].astype(np.float32)).to(self.device)
        elements = (
            network.dimensions.context
            if network.recursive
            else network.dimensions.context // network.dimensions.segment
        )
        lengths = {"": np.full(len(targets), elements)}
        if not network.recursive:
            return EndLoss(network.loss(batch._replace(targets=targets)).sum(), lengths)
        first = network._recursive_loss(batch._replace(targets=targets[:, :1]))
        return EndLoss(first.sum(), lengths)

    def _batch(self, histories: Sequence[History]) -> Batch:
        dimensions = self.network.dimensions
        return history_batch(histories, dimensions.context, dimensions.horizon).to(self.device)

    def example(self, number: int | None, text: str | None) -> Attributable:
        """The median of the first step ahead, given the values of the window; what stands for their absence is a window
        in which all values are the last one."""
        if text is not None:
            raise RequestError("series are numbers, not text", where="--text", expected="--example N")
        history = self.histories[example_number(number, len(self.histories))]
        batch = self._batch([history])
        elements = batch.inputs[:, :, :1]

        def score(network: Any, values: Tensor) -> Tensor:
            others = copies(batch.inputs[:, :, 1:], len(values), network)
            source = None if batch.source is None else copies(batch.source, len(values), network)
            return _medians(network, batch._replace(inputs=torch.cat([values, others], 2), source=source))

        names = [str(step - elements.shape[1]) for step in range(elements.shape[1])]
        baseline = elements[:, -1:].expand_as(elements).clone()
        return Attributable(names, "the forecast of the next step", self.network, score, elements, baseline)


def cut_history(history: History, context: int) -> History:
    """All values before the last `context` are the first of these."""
    values = history.values.copy()
    values[: max(len(values) - context, 0)] = values[max(len(values) - context, 0)]
    return history._replace(values=values)


def _medians(network: ForecastNetwork, batch: Batch) -> Tensor:
    """(rows,) the median of the first step ahead, on the scale of the series."""
    if network.recursive:
        scaled = network.scaled(batch.inputs[:, :, 0])
        sequence = torch.cat([scaled.values[:, :, None], batch.inputs[:, :, 1:]], dim=2)
        raw = network.output(network.layer(sequence)[0][:, -1:])
    else:
        raw, scaled = network.outputs(batch)
        raw = raw[:, :1]
    middle = raw[:, 0].sort(1).values[:, MEDIAN] if network.distribution.size > 3 else raw[:, 0, 0]
    if network.distribution.of_counts:
        return middle.exp()
    restored = middle * scaled.unit[:, 0] + scaled.level[:, 0]
    return restored.exp() if network.dimensions.log else restored
