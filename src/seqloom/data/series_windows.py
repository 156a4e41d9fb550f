"""Windows of series for networks: what is known up to an origin, and the steps after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.series import History, Panel, SeriesData

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WindowLoader:
    """Windows of `context` known steps and `horizon` steps to forecast, from every `step`-th origin of a series whose
    horizon lies in what is scored. A shorter past is filled from the left by its first value.

    The order of an epoch depends on `seed` and the epoch alone; None: as they lie.
    """

    data: SeriesData
    context: int
    horizon: int
    batch_size: int
    seed: int | None
    step: int = 1
    least: int = 2
    """Values that are known at an origin, at least."""

    @cached_property
    def _first_origins(self) -> Ints:
        return np.maximum(self.data.first, self.least)

    @cached_property
    def _ends(self) -> Ints:
        """The number of windows of all series up to each one."""
        spare = self.data.last - self.horizon - self._first_origins
        return np.cumsum(np.where(spare >= 0, spare // self.step + 1, 0))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def num_steps(self, epoch: int = 0) -> int:  # noqa: ARG002
        return -(-len(self) // self.batch_size)

    def batch(self, epoch: int, step: int) -> Batch:
        chosen = self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        series = np.searchsorted(self._ends, chosen, side="right")
        before = np.concatenate([[0], self._ends])[series]
        return window_batch(
            self.data.panel, series, self._first_origins[series] + (chosen - before) * self.step, self.context,
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
    """`inputs` (rows, context, 2 + past + ahead + static): the value, whether it is real, and the covariates, those
    known ahead too; `source` (rows, horizon, ahead), none without such; `targets` (rows, horizon)."""
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
    """The places of the covariates of the steps after each origin; where they are not known any more, the last one."""
    places = panel.ahead_offsets[series][:, None] + origins[:, None] + np.arange(horizon)
    return np.minimum(places, panel.ahead_offsets[series + 1][:, None] - 1)


def history_batch(histories: Sequence[History], context: int, horizon: int) -> Batch:
    """The same of histories, from their ends; `targets` are zeros."""
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
