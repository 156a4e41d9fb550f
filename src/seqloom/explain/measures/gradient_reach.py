"""How far back gradients reach: the norm of dL_T/dh_t against the lag T - t, where the loss is at step T only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import nn

from seqloom.explain.measures.recurrent_trace import recurrent_layers
from seqloom.explain.probes.probe import NetworkProbe
from seqloom.nn.recurrence.gradient_norms import record_gradients

Norms = Float[NDArray[np.float64], "rows time"]

_PERCENTILES = (10, 50, 90)
_SMALLEST = 1e-30
"""Norms below this share of the largest are rounding errors of float32."""

_REACHED = 0.01
"""A gradient reaches the lags at which its mean norm is at least this share of the largest."""

STATE_NAMES = ("hidden state", "cell state")


@dataclass(frozen=True)
class GradientReach:
    """Of one state of one layer. `mean`, `low`, `median`, `high`: the norm at each of `lags`, over the examples (the
    10th, 50th and 90th percentile). `decay`: the factor from one lag to the next, fitted to the second half of the
    lags, where it no longer depends on the first steps; NaN where fewer than two lags are usable. `half_life`: the lag
    after which the fitted norm is halved, None where it does not fall. `reach`: the largest lag whose mean norm is at
    least 1 % of the largest norm."""

    layer: str
    state: str
    lags: list[int]
    mean: list[float]
    low: list[float]
    median: list[float]
    high: list[float]
    decay: float
    half_life: float | None
    reach: int

    @classmethod
    def of(cls, layer: str, state: str, by_lag: Norms) -> GradientReach:
        """`by_lag` (rows, lags): NaN where a row has no such lag."""
        counts = (~np.isnan(by_lag)).sum(0)
        by_lag = by_lag[:, counts >= max(1, len(by_lag) // 4)]  # the few longest rows are not like the others
        mean = np.nanmean(by_lag, axis=0)
        low, median, high = np.nanpercentile(by_lag, _PERCENTILES, axis=0)
        decay = fitted_decay(mean)
        half_life = math.log(0.5) / math.log(decay) if 0 < decay < 1 else None
        reached = np.flatnonzero(mean >= _REACHED * mean.max()) if mean.max() > 0 else np.zeros(1, np.int64)
        return cls(
            layer,
            state,
            list(range(len(mean))),
            mean.tolist(),
            low.tolist(),
            median.tolist(),
            high.tolist(),
            decay,
            half_life,
            int(reached[-1]),
        )

    def ratio(self, lag: int) -> float:
        """The mean norm at `lag`, or the longest lag there is, over that at lag 0; NaN where that is zero."""
        return self.mean[min(lag, len(self.mean) - 1)] / self.mean[0] if self.mean[0] else math.nan


def fitted_decay(mean: NDArray[np.float64]) -> float:
    """The factor a lag that fits the second half of the usable lags best: a straight line in the logarithm, by least
    squares. With a linear recurrence it is the spectral radius of the recurrent matrix."""
    usable = np.flatnonzero((mean > _SMALLEST * mean.max(initial=0.0)) & (mean > np.finfo(np.float32).tiny * 1e3))
    if len(usable) < 2:
        return math.nan
    end = int(usable[-1]) + 1
    lags = usable[usable >= end // 2] if end > 3 else usable
    if len(lags) < 2:
        return math.nan
    slope = np.polyfit(lags, np.log(mean[lags]), 1)[0]
    return float(math.exp(slope))


def gradient_reach(probe: NetworkProbe, network: nn.Module | None = None) -> list[GradientReach]:
    """Of every recurrent state of the probe's network, or of `network`, which is like it. Empty where it has none.

    A layer that runs backward in time is measured with the loss at the first step."""
    network = probe.network if network is None else network
    layers = recurrent_layers(network)
    measured: list[GradientReach] = []
    for backward in sorted({layer.runs_backward for layer in layers.values()}):
        with torch.enable_grad(), record_gradients(network) as record:
            ends = probe.end_loss(network, at_start=backward)
            torch.autograd.backward(ends.total, inputs=[p for p in network.parameters() if p.requires_grad])
        network.zero_grad(set_to_none=True)
        for name in record:
            if name not in layers or layers[name].runs_backward != backward or not record.passes[name]:
                continue
            for number, norms in enumerate(record[name]):
                rows = norms.double().numpy(force=True)
                lengths = ends.lengths_of(name, rows.shape)
                by_lag = rows_by_lag(rows, lengths, backward)
                state = STATE_NAMES[number] if number < len(STATE_NAMES) else f"state {number + 1}"
                measured.append(GradientReach.of(name, state, by_lag))
    return measured


def rows_by_lag(norms: Norms, lengths: Int[NDArray[np.int64], " rows"], backward: bool = False) -> Norms:
    """(rows, lags): what each row has at the lag from its last element (from its first one, `backward`); NaN beyond."""
    by_lag = np.full(norms.shape, np.nan)
    for row, length in enumerate(lengths.tolist()):
        real = norms[row, :length]
        by_lag[row, :length] = real if backward else real[::-1]
    return by_lag


def input_gradient_reach(probe: NetworkProbe) -> GradientReach:
    """Of the inputs of the layer, which every network has: the norm of dL_T/dx_t against the lag."""
    with torch.enable_grad(), probe.captured_inputs() as captured:
        ends = probe.end_loss(probe.network)
        elements = captured[0]
        (gradients,) = torch.autograd.grad(ends.total, [elements])
    norms = torch.linalg.vector_norm(gradients, dim=2).double().numpy(force=True)
    lengths = ends.lengths_of(probe.input_name, norms.shape)
    return GradientReach.of("inputs", "inputs", rows_by_lag(norms, lengths))
