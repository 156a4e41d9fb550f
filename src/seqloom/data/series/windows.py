"""Windows of series for networks: the steps before an origin as inputs, those after it as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from seqloom.data.batches import Batch
from seqloom.data.series.panel import History, Ints, Panel, SeriesData


@dataclass(frozen=True)
class WindowLoader:
    """Windows of `context` steps before and `horizon` steps after every `step`-th origin of a split. A shorter history
    is padded on the left with its first value.

    The order of an epoch depends only on `seed` and the epoch; None: windows in order of series and time.
    """

    data: SeriesData
    context: int
    horizon: int
    batch_size: int
    seed: int | None
    step: int = 1
    min_history: int = 2
    """The fewest known values at an origin."""

    @cached_property
    def _first_origins(self) -> Ints:
        return np.maximum(self.data.first, self.min_history)

    @cached_property
    def _ends(self) -> Ints:
        """The cumulative number of windows of the series."""
        spare = self.data.last - self.horizon - self._first_origins
        return np.cumsum(np.where(spare >= 0, spare // self.step + 1, 0))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def num_steps(self, epoch: int = 0) -> int:  # noqa: ARG002
        return -(-len(self) // self.batch_size)

    def batch(self, epoch: int, step: int) -> Batch:
        windows = self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        series = np.searchsorted(self._ends, windows, side="right")
        before = np.concatenate([[0], self._ends])[series]
        return window_batch(
            self.data.panel, series, self._first_origins[series] + (windows - before) * self.step, self.context,
            self.horizon,
        )  # fmt: skip

    def _order(self, epoch: int) -> Ints:
        cached = self.__dict__.get("_last_order")
        if cached is None or cached[0] != epoch:
            count = len(self)
            order = (
                np.arange(count) if self.seed is None else np.random.default_rng((self.seed, epoch)).permutation(count)
            )
            cached = self.__dict__["_last_order"] = (epoch, order)
        return cached[1]


def window_batch(panel: Panel, series: Ints, origins: Ints, context: int, horizon: int) -> Batch:
    """`inputs` (rows, context, 2 + past + ahead + static): the value, 1 or 0 for padding, and all
    covariates; `source` (rows, horizon, ahead): covariates known ahead, None without; `targets` (rows, horizon)."""
    first = panel.offsets[series]
    steps = np.maximum(origins[:, None] + np.arange(-context, 0), 0)
    real = origins[:, None] + np.arange(-context, 0) >= 0
    places = first[:, None] + steps
    channels = [panel.values[places][:, :, None], real[:, :, None], panel.past[places]]
    source = None
    if panel.ahead.shape[1]:
        ahead_first = panel.ahead_offsets[series]
        channels.append(panel.ahead[ahead_first[:, None] + steps])
        source = torch.from_numpy(panel.ahead[_ahead(panel, series, origins, horizon)].astype(np.float32))
    channels.append(np.broadcast_to(panel.static[series][:, None], (len(series), context, panel.static.shape[1])))
    targets = panel.values[first[:, None] + origins[:, None] + np.arange(horizon)]
    return Batch(
        torch.from_numpy(np.concatenate(channels, axis=2).astype(np.float32)),
        torch.from_numpy(targets.astype(np.float32)),
        source=source,
    )


def _ahead(panel: Panel, series: Ints, origins: Ints, horizon: int) -> Ints:
    """The places of the covariates known ahead after each origin; after the last known one, that one."""
    places = panel.ahead_offsets[series][:, None] + origins[:, None] + np.arange(horizon)
    return np.minimum(places, panel.ahead_offsets[series + 1][:, None] - 1)


def history_batch(histories: Sequence[History], context: int, horizon: int) -> Batch:
    """As `window_batch`, with the origins at the ends of the histories; `targets` are zeros."""
    rows, ahead_rows = [], []
    for history in histories:
        steps = np.arange(len(history.values) - context, len(history.values))
        places = np.maximum(steps, 0)
        parts = [history.values[places, None], (steps >= 0)[:, None].astype(np.float64), history.past[places]]
        if history.ahead.shape[1]:
            parts.append(history.ahead[places])
            ahead = np.minimum(len(history.values) + np.arange(horizon), len(history.ahead) - 1)
            ahead_rows.append(history.ahead[ahead])
        parts.append(np.broadcast_to(history.static, (context, len(history.static))))
        rows.append(np.concatenate(parts, axis=1))
    source = torch.from_numpy(np.stack(ahead_rows).astype(np.float32)) if ahead_rows else None
    inputs = torch.from_numpy(np.stack(rows).astype(np.float32))
    return Batch(inputs, torch.zeros(len(histories), horizon), source=source)
