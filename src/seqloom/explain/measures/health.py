"""The health of a training: what its own metrics say, and the gradients of a few batches at the weights it left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from seqloom.run import Run
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.checkpoint_folder import current_checkpoint
from seqloom.training.gradients import decays
from seqloom.training.reports import MetricsFile
from seqloom.training.settings import TrainingSettings

_BATCHES = 8

_LOSSES = {
    "language-model": ("valid_bits_per_token", math.log(2)),
    "translate": ("valid_nats_per_token", 1.0),
    "classify": ("valid_nats_per_example", 1.0),
    "tag": ("valid_nats_per_token", 1.0),
    "forecast": ("valid_loss", 1.0),
    "algorithm": ("valid_bits_per_sequence", math.log(2)),
}
"""The validation metric of each task that is a loss, and what turns it into the unit of the training loss."""


@dataclass(frozen=True)
class Health:
    """`updates`, `train`, `valid`: the losses at each evaluation. `overfit`: how much the last validation loss is above
    the lowest, as a share of the latter. `gap`: how much it is above the last training loss, as a share of itself.
    `still_gaining`: the share of all the gain that came in the last quarter of the updates. `rises`: the largest rise
    of the training loss over its lowest so far, as a share. `gradient_norms`: of probe batches before clipping;
    `clip_rate`: the share of them above the limit `clip_norm`. `update_ratio`: the norm of a step at the highest
    learning rate over that of the weights, the median over matrices. `padding`: the share of padding in the
    batches."""

    updates: list[int]
    train: list[float]
    valid: list[float]
    overfit: float
    gap: float
    still_gaining: float
    rises: float
    gradient_norms: list[float]
    clip_norm: float
    clip_rate: float
    update_ratio: float | None
    padding: float


def health(run: Run, data: Any) -> Health:
    """Of a network's training, with probe batches from `data`."""
    rows = MetricsFile(run.folder).rows()
    name, unit = _LOSSES[run.plan.task]
    rows = [row for row in rows if "train_loss" in row and isinstance(row.get(name), int | float)]
    valid = [float(row[name]) * unit for row in rows]
    train = [float(row["train_loss"]) for row in rows]
    updates = [int(row["updates"]) for row in rows]
    options: TrainingSettings = run.plan.settings.training  # type: ignore[attr-defined]
    norms, padding = probe_gradients(run, data)
    limit = options.clip_norm
    return Health(
        updates, train, valid, _overfit(valid), _gap(train, valid), _still_gaining(updates, valid), _rises(train),
        norms, limit, float(np.mean([norm > limit for norm in norms])) if limit and norms else 0.0,
        update_ratio(run, options), padding,
    )  # fmt: skip


def _overfit(valid: Sequence[float]) -> float:
    finite = [value for value in valid if math.isfinite(value)]
    return (finite[-1] - min(finite)) / max(abs(min(finite)), 1e-9) if finite else 0.0


def _gap(train: Sequence[float], valid: Sequence[float]) -> float:
    """How much the last validation loss is above the last training loss, as a share of the former."""
    if not valid or not math.isfinite(valid[-1]):
        return 0.0
    return (valid[-1] - train[-1]) / max(abs(valid[-1]), 1e-9)


def _still_gaining(updates: Sequence[int], valid: Sequence[float]) -> float:
    if len(valid) < 4:
        return 0.0
    before = [value for update, value in zip(updates, valid, strict=True) if update <= 0.75 * updates[-1]]
    gained = valid[0] - min(valid)
    if not before or gained <= 0.02 * abs(valid[0]):
        return 0.0
    return max(min(before) - min(valid), 0.0) / gained


def _rises(train: Sequence[float]) -> float:
    lowest, largest = math.inf, 0.0
    for value in train:
        if not math.isfinite(value):
            return math.inf
        lowest = min(lowest, value)
        largest = max(largest, (value - lowest) / max(abs(lowest), 1e-9))
    return largest


def probe_gradients(run: Run, data: Any) -> tuple[list[float], float]:
    """The norm of the gradient of the mean loss of a few batches of the task's loader, the network in training mode,
    and the share of padding in the batches."""
    task, network = run.task, run.model
    assert isinstance(task, NetworkTask)
    assert isinstance(network, nn.Module)
    loader = task.exact_loader(data, run.plan.settings)
    steps = loader.num_steps(0)
    norms, padded, elements = [], 0, 0
    parameters = [p for p in network.parameters() if p.requires_grad]
    torch.manual_seed(run.plan.seed)
    network.train()
    try:
        for step in sorted({round(x) for x in np.linspace(0, max(steps - 1, 0), min(_BATCHES, steps))}):
            batch = loader.batch(0, step).to(run.runtime.device)._replace(continues=False)
            with torch.enable_grad():
                loss, _ = task.loss(network, batch, None)
                gradients = torch.autograd.grad(loss.sum / loss.count.clamp(min=1), parameters, allow_unused=True)
            norms.append(float(torch.stack([g.float().norm() for g in gradients if g is not None]).norm()))
            read, lengths = (
                (batch.inputs, batch.lengths) if batch.source is None else (batch.source, batch.source_lengths)
            )
            elements += read.shape[0] * read.shape[1]
            padded += 0 if lengths is None else int((read.shape[1] - lengths).sum())
    finally:
        network.eval()
    return norms, padded / max(elements, 1)


def update_ratio(run: Run, options: TrainingSettings) -> float | None:
    """The norm of AdamW's step at the highest learning rate over the norm of the weights, the median over the matrices
    of the network; from the optimizer of the last checkpoint. None where there is none."""
    checkpoint = current_checkpoint(run.folder / "training")
    if checkpoint is None or options.optimizer != "adamw":
        return None
    from seqloom.training.checkpoint import read_checkpoint

    state = read_checkpoint(checkpoint)
    # The optimizer numbers those that decay first.
    matrices = [name for name, parameter in run.model.named_parameters() if decays(name, parameter)]
    ratios = []
    for index, name in enumerate(matrices):
        first, second = (state.optimizer.get(f"{index}.{part}") for part in ("exp_avg", "exp_avg_sq"))
        weights = state.model.get(name)
        if first is None or second is None or weights is None or weights.shape != first.shape:
            continue
        count = float(state.optimizer[f"{index}.step"])
        mean = first / (1 - options.beta1**count)
        scale = (second / (1 - options.beta2**count)).sqrt() + 1e-8
        ratios.append(options.learning_rate * float((mean / scale).norm()) / max(float(weights.norm()), 1e-12))
    return float(np.median(ratios)) if ratios else None
