"""Forecasting networks: any layer over a window, whose level and scale are removed first and restored at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.batches import Batch
from seqloom.data.series.panel import History
from seqloom.data.series.recipe import SeriesCodec
from seqloom.data.series.windows import history_batch
from seqloom.errors import RequestError
from seqloom.models.forecasting.distributions import DISTRIBUTIONS
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN, Forecast
from seqloom.nn.layer import SequenceLayer, map_state
from seqloom.nn.matrix_product import Linear

_ROWS = 1_024
_PATHS = 200
_CONTEXT = 36
MIN_UNIT = 0.1
"""The smallest unit, relative to the scale, for windows that repeat exactly."""

MIN_LOG_SCALE, MIN_SCALE = 1e-2, 1e-5
"""Added to the scale of a window: of logarithms as it is, otherwise relative to the window's mean."""


class WindowSettings(Settings):
    context: int = Field(0, ge=0, le=10_000, description="steps of a window; 0: three seasons, or 36")
    segment: int = Field(
        1, ge=0, le=10_000, description="consecutive steps that are one element of the layer's input; 0: a season"
    )
    level: Literal["last", "mean", "none"] = Field(
        "mean", description="what is subtracted from a window: its mean or its last value"
    )
    transform: Literal["auto", "none", "log"] = Field(
        "auto", description="transformation of the values; auto: logarithms of positive series"
    )
    horizons: Literal["direct", "recursive"] = Field(
        "direct", description="forecast all steps at once, or step by step along sample paths"
    )
    shortcut: bool = Field(True, description="a linear map from the window to the steps ahead beside the layer")
    distribution: Literal["quantiles", "gaussian", "student-t", "negative-binomial"] = Field(
        "quantiles", description="distribution of each step ahead"
    )
    batch_size: int = Field(128, gt=0, le=2**20, description="windows in a batch")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the output")


class Sizes(NamedTuple):
    """The sizes of a network, saved in its buffer `sizes`."""

    horizon: int
    context: int
    segment: int
    past: int
    ahead: int
    static: int
    log: int
    season: int


class Scaled(NamedTuple):
    """Windows without level and scale: `values` (rows, context); `level`, `scale` and `unit` (rows, 1). A target is
    (value - level) / unit."""

    values: Tensor
    level: Tensor
    scale: Tensor
    unit: Tensor


class CalibratedNetwork(nn.Module):
    """A network that holds the factors of its calibration among its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.factors_held: Tensor
        self.register_buffer("factors_held", torch.ones(len(LEVELS), dtype=torch.float64))

    @property
    def factors(self) -> NDArray[np.float64]:
        """See `calibration.factors`."""
        return self.factors_held.cpu().numpy()

    @factors.setter
    def factors(self, values: NDArray[np.float64]) -> None:
        self.factors_held.copy_(torch.from_numpy(values))


class ForecastNetwork(CalibratedNetwork):
    """outputs = W layer(window) [+ V window] + b for all steps ahead, on the scale of the window.

    The level is subtracted from a window, which is then divided by its scale; positive series are first replaced by
    their logarithms. So one network serves series of any scale.
    """

    def __init__(self, layer: type[SequenceLayer], settings: Settings, window: WindowSettings, sizes: Sizes) -> None:
        super().__init__()
        self.options, self.dimensions = window, sizes
        self.recursive = window.horizons == "recursive"
        self.distribution = DISTRIBUTIONS[window.distribution]()
        if self.recursive and self.distribution.of_counts:
            raise RequestError(
                "counts are forecast all steps at once", where="window.horizons", got=window.horizons, expected="direct"
            )
        channels = 2 + sizes.past + sizes.ahead + sizes.static
        segment = 1 if self.recursive else sizes.segment
        self.layer = layer(segment * channels, settings)
        self.dropout = nn.Dropout(window.dropout)
        steps = 1 if self.recursive else sizes.horizon
        ahead = 0 if self.recursive else sizes.horizon * sizes.ahead
        self.output = Linear(self.layer.output_size + ahead, steps * self.distribution.size)
        self.shortcut = None
        if window.shortcut and not self.recursive:
            self.shortcut = Linear(sizes.context, sizes.horizon)
            nn.init.zeros_(self.shortcut.bias)
            nn.init.zeros_(self.shortcut.weight)
            if sizes.season <= sizes.context:  # the seasonal naive forecast
                ahead_steps = torch.arange(sizes.horizon)
                with torch.no_grad():
                    self.shortcut.weight[ahead_steps, sizes.context - sizes.season + ahead_steps % sizes.season] = 1.0
        self.sizes: Tensor
        self.register_buffer("sizes", torch.tensor(sizes))

    @property
    def calibration_forecasts(self) -> int:
        """Sample paths take much longer than all steps at once."""
        return 100 if self.recursive else 4_000

    def scaled(self, values: Float[Tensor, "rows context"]) -> Scaled:
        """Level, scale and unit are computed from the window alone. The scale is its mean absolute deviation, so that
        the inputs of the layer are near 1. The unit is the mean absolute seasonal difference, so that the loss of
        series that are easy to forecast counts as much. For sample paths, which are fed back, the unit is the scale."""
        if self.dimensions.log:
            values = values.clamp(min=1e-12).log()
        elif self.distribution.of_counts:
            values = values.clamp(min=0).log1p()
        mean = values.mean(1, keepdim=True)
        logs = self.dimensions.log or self.distribution.of_counts
        floor = MIN_LOG_SCALE if logs else MIN_SCALE * mean.abs() + 1e-12
        scale = (values - mean).abs().mean(1, keepdim=True) + floor
        season = self.dimensions.season if self.dimensions.season < values.shape[1] else 1
        differences = (values[:, season:] - values[:, :-season]).abs().mean(1, keepdim=True)
        unit = scale if self.recursive else torch.maximum(differences, MIN_UNIT * scale)
        levels = {"last": values[:, -1:], "mean": mean, "none": torch.zeros_like(mean)}
        level = levels[self.options.level]
        return Scaled((values - level) / scale, level, scale, unit)

    def sequence(self, batch: Batch) -> tuple[Scaled, Tensor]:
        """The scaled windows, and all their channels: (rows, context, channels)."""
        scaled = self.scaled(batch.inputs[:, :, 0])
        return scaled, torch.cat([scaled.values[:, :, None], batch.inputs[:, :, 1:]], dim=2)

    def outputs(self, batch: Batch) -> tuple[Tensor, Scaled]:
        """(rows, horizon, size): the parameters of the distribution of each step ahead, on the scale of the window."""
        scaled, sequence = self.sequence(batch)
        segment = self.dimensions.segment
        complete = sequence[:, sequence.shape[1] % segment :]  # without an incomplete first segment
        hidden = self.layer(complete.reshape(len(sequence), -1, segment * sequence.shape[2]))[0][:, -1]
        if batch.source is not None:
            hidden = torch.cat([hidden, batch.source.flatten(1)], dim=1)
        raw = self.output(self.dropout(hidden)).view(len(hidden), self.dimensions.horizon, -1)
        if self.distribution.of_counts:  # relative to the window's mean
            offset = (batch.inputs[:, :, 0].clamp(min=0).mean(1) + 0.5).log()
            raw = torch.cat([raw[:, :, :1] + offset[:, None, None], raw[:, :, 1:]], dim=2)
        if self.shortcut is None:
            return raw, scaled
        linear = (self.shortcut(scaled.values) * (scaled.scale / scaled.unit))[:, :, None]
        if self.distribution.size == len(LEVELS):
            return raw + linear, scaled
        return torch.cat([raw[:, :, :1] + linear, raw[:, :, 1:]], dim=2), scaled

    def loss(self, batch: Batch) -> Float[Tensor, " rows"]:
        """The loss of each window, summed over the steps ahead."""
        if self.recursive:
            return self._recursive_loss(batch)
        raw, scaled = self.outputs(batch)
        return self.distribution.loss(raw.float(), self._targets(batch.targets, scaled)).sum(1)

    def _targets(self, targets: Tensor, scaled: Scaled) -> Tensor:
        if self.distribution.of_counts:
            return targets
        values = targets.clamp(min=1e-12).log() if self.dimensions.log else targets
        return (values - scaled.level) / scaled.unit

    def _recursive_loss(self, batch: Batch) -> Float[Tensor, " rows"]:
        """Teacher forcing: each step of the horizon from the true values before it."""
        scaled, sequence = self.sequence(batch)
        targets = self._targets(batch.targets, scaled)
        further = self._next_elements(targets[:, :-1], sequence)
        hidden, _ = self.layer(torch.cat([sequence, further], dim=1))
        raw = self.output(self.dropout(hidden[:, self.dimensions.context - 1 :]))
        return self.distribution.loss(raw.float(), targets).sum(1)

    @staticmethod
    def _next_elements(values: Tensor, sequence: Tensor) -> Tensor:
        """Elements for known or sampled `values` (rows, steps); the other channels are those of the last known step."""
        others = sequence[:, -1:, 1:].expand(-1, values.shape[1], -1)
        return torch.cat([values[:, :, None], others], dim=2)

    def forecasts(
        self,
        histories: Sequence[History],
        horizon: int,
        *,
        seed: int = 1,
        paths: int = 0,
        refit: bool = True,  # noqa: ARG002
    ) -> Iterator[Forecast]:
        """Raises RequestError if a direct network is asked for a horizon longer than that of its training."""
        if horizon > self.dimensions.horizon and not self.recursive:
            raise RequestError(
                "the network forecasts all steps at once, no more than it was trained for", got=horizon,
                expected=self.dimensions.horizon, hint="train with --set data.horizon=.., or window.horizons=recursive",
            )  # fmt: skip
        was_training = self.training
        self.eval()
        try:
            for first in range(0, len(histories), _ROWS):
                block = histories[first : first + _ROWS]
                batch = history_batch(block, self.dimensions.context, self.dimensions.horizon).to(self.sizes.device)
                yield from (self._sampled if self.recursive else self._direct)(batch, horizon, seed + first, paths)
        finally:
            self.train(was_training)

    def _restored(self, values: NDArray[np.float64], scaled: Scaled) -> NDArray[np.float64]:
        """(rows, ..) numbers on the scale of the window as values of the series."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        level, unit = (part.double().cpu().numpy().reshape(shape) for part in (scaled.level, scaled.unit))
        values = values * unit + level
        return np.exp(np.minimum(values, 700.0)) if self.dimensions.log else values

    @torch.no_grad()
    def _direct(self, batch: Batch, horizon: int, seed: int, paths: int) -> list[Forecast]:
        raw, scaled = self.outputs(batch)
        quantiles = self.distribution.quantiles(raw[:, :horizon])
        if not self.distribution.of_counts:
            quantiles = self._restored(quantiles, scaled)
        forecasts = [Forecast(row[:, MEDIAN], row) for row in quantiles]
        return [forecast.with_normal_paths(paths, seed + number) for number, forecast in enumerate(forecasts)]

    @torch.no_grad()
    def _sampled(self, batch: Batch, horizon: int, seed: int, paths: int) -> list[Forecast]:
        """By sample paths: each step is sampled and fed back."""
        count, rng = max(_PATHS, paths), np.random.default_rng(seed)
        scaled, sequence = self.sequence(batch)
        hidden, state = self.layer(sequence)
        state = map_state(lambda tensor: tensor.repeat_interleave(count, dim=0), state)
        hidden = hidden[:, -1:].repeat_interleave(count, dim=0)
        wide, steps = sequence[:, -1:].repeat_interleave(count, dim=0), []
        for step in range(horizon):
            sampled = torch.from_numpy(self.distribution.sample(self.output(hidden), rng)).to(hidden)
            steps.append(sampled)
            if step + 1 < horizon:
                hidden, state = self.layer(self._next_elements(sampled, wide), state)
        values = torch.cat(steps, dim=1).double().cpu().numpy().reshape(len(sequence), count, horizon)
        values = self._restored(values, scaled)
        return [
            Forecast.of_paths(np.median(row, axis=0), row)._replace(paths=row[:paths] if paths else None)
            for row in values
        ]


def context_of(window: WindowSettings, period: int) -> int:
    """The window length for series with this `period`."""
    return window.context or (3 * period if period > 1 else _CONTEXT)


def sizes_of(window: WindowSettings, codec: SeriesCodec, positive: bool) -> Sizes:
    """The sizes of a network. `positive`: whether all values of the series are."""
    context = context_of(window, codec.period)
    log = {"auto": positive and window.distribution != "negative-binomial", "none": False, "log": True}[
        window.transform
    ]
    return Sizes(
        codec.horizon, context, min(window.segment or codec.period, context), codec.past, codec.ahead, codec.static,
        int(log), codec.period,
    )  # fmt: skip
