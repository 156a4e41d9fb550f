"""Losses and gradients that are not finite: the cause, and updates that are skipped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from seqloom.data.batches import Batch
from seqloom.errors import SeqloomError, warn
from seqloom.nn.layer import State, select_rows
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.budget import Progress
from seqloom.training.checkpoint_folder import current_checkpoint

_MOST_OVERFLOWS = 10
"""Updates in a row that are skipped."""


@dataclass
class NotFinite:
    """What follows from a loss or a gradient that is not finite, in the training of a network. `folder` is that of the
    run."""

    task: NetworkTask
    network: nn.Module
    folder: Path
    has_warned: bool = False

    def skip_update(self, rate: float, progress: Progress, batch: Batch, state: State | None) -> None:
        """Warns of the first update that is skipped for its gradient: that of a recurrent network may overflow for a
        single batch. Raises SeqloomError after too many in a row."""
        if progress.overflows == _MOST_OVERFLOWS:
            raise self.error("gradient", rate, progress, batch, state)
        if not self.has_warned:
            self.has_warned = True
            warn(
                "the gradient is not a finite number, and the update is skipped",
                where=f"update {progress.updates + 1}",
                got=f"learning rate {rate:.3g}",
                hint="if the model learns badly, a lower training.learning_rate may help",
            )

    def error(self, what: str, rate: float, progress: Progress, batch: Batch, state: State | None) -> SeqloomError:
        """The error for a loss or gradient, `what`, with the update and the weights or rows that cause it."""
        broken = [name for name, weight in self.network.named_parameters() if not bool(torch.isfinite(weight).all())]
        rows = [] if broken else [row for row in range(batch.num_rows) if not self._row_is_finite(batch, state, row)]
        whose = f"weights not finite: {', '.join(broken)}" if broken else f"rows of the batch: {rows or 'all together'}"
        saved = current_checkpoint(self.folder / "training") is not None
        return SeqloomError(
            f"the {what} is no longer a finite number",
            where=f"update {progress.updates + 1}, epoch {progress.epoch + 1}",
            got=f"learning rate {rate:.3g}; {whose}",
            hint="a lower training.learning_rate or training.clip_norm may help"
            + ("; the previous checkpoint is complete" if saved else ""),
        )

    @torch.no_grad()
    def _row_is_finite(self, batch: Batch, state: State | None, row: int) -> bool:
        row_index = torch.tensor([row], device=batch.inputs.device)
        before = None if state is None else select_rows(state, row_index)
        return math.isfinite(float(self.task.loss(self.network, batch.select(row_index), before)[0].sum))
