"""Finds the cause of a loss or gradient that is not finite: weights, or rows of the batch."""

from __future__ import annotations

import math

import torch
from torch import nn

from seqloom.data.batches import Batch
from seqloom.errors import SeqloomError
from seqloom.nn.layer import State, select_rows
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.budget import Progress


def not_finite(
    what: str,
    rate: float,
    progress: Progress,
    task: NetworkTask,
    model: nn.Module,
    batch: Batch,
    state: State | None,
    saved: bool,
) -> SeqloomError:
    """The error for a `what` that is not finite, with the update and the weights or rows that cause it."""
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    rows = [] if broken else [i for i in range(batch.num_rows) if not _row_is_finite(task, model, batch, state, i)]
    whose = f"weights not finite: {', '.join(broken)}" if broken else f"rows of the batch: {rows or 'all together'}"
    return SeqloomError(
        f"the {what} is no longer a finite number",
        where=f"update {progress.updates + 1}, epoch {progress.epoch + 1}",
        got=f"learning rate {rate:.3g}; {whose}",
        hint="a lower training.learning_rate or training.clip_norm may help"
        + ("; the previous checkpoint is complete" if saved else ""),
    )


@torch.no_grad()
def _row_is_finite(task: NetworkTask, model: nn.Module, batch: Batch, state: State | None, row: int) -> bool:
    row_index = torch.tensor([row], device=batch.inputs.device)
    before = None if state is None else select_rows(state, row_index)
    return math.isfinite(float(task.loss(model, batch.select(row_index), before)[0].sum))
