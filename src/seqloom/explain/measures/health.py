"""The health of a training: what its own metrics say, and the gradients of a few batches at the weights it left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from seqloom.explain.measures.noise_scale import GradientNoise
from seqloom.explain.measures.untrained import untrained
from seqloom.run import Run
from seqloom.tasks.capabilities import ReportsLoss
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.checkpoint_folder import current_checkpoint
from seqloom.training.optimizers import decays
from seqloom.training.reports import MetricsFile
from seqloom.training.settings import TrainingSettings

_BATCHES = 8


@dataclass(frozen=True)
class Health:
    """`updates`, `train`, `valid`: the losses at each evaluation. `epochs`: passes over the training data. `overfit`:
    how much the last validation loss is above the lowest, as a share of the latter. `gap`: how much it is above the
    last training loss, as a share of itself. `late_gain`: the share of all the gain that came in the second half of
    the updates. `rises`: the largest rise of the training loss over its lowest so far, as a share. `norms`,
    `largest_norms`, `clip_rates`: the mean and the largest norm of the gradients between two evaluations, before
    clipping, and the share that was clipped to `clip_norm`; empty of runs that did not record them. `probe_norms`: of
    probe batches at the weights that the training left. `update_ratio`: the norm of a step at the highest learning
    rate over that of the weights, the median over matrices, at the end; `first_step`: the largest that it can be at the
    beginning. `growth`: the norm of the weights over that before the training, the median over matrices. `padding`: the
    share of padding in the batches. `noise_scale`: the gradient noise scale in targets; `batch_targets`: the mean
    number of targets of the probe batches. What is not of a network's training is empty or None."""

    updates: list[int]
    train: list[float]
    valid: list[float]
    epochs: float
    overfit: float
    gap: float
    late_gain: float
    rises: float
    norms: list[float]
    largest_norms: list[float]
    clip_rates: list[float]
    probe_norms: list[float] = field(default_factory=list)
    clip_norm: float | None = None
    update_ratio: float | None = None
    first_step: float | None = None
    growth: float | None = None
    padding: float = 0.0
    noise_scale: float | None = None
    batch_targets: float | None = None


class ProbeBatches(NamedTuple):
    """What a few batches tell: the norm of the gradient of each, the share of padding, the gradient noise scale in
    targets, and the mean number of targets."""

    norms: list[float]
    padding: float
    noise_scale: float | None
    targets: float


def health(run: Run, data: Any) -> Health | None:
    """Of a training that took steps, with probe batches from `data` where it is a network's; None of any other."""
    if not isinstance(run.task, ReportsLoss):
        return None
    name, unit = f"valid_{run.task.loss_metric.name}", run.task.loss_metric.unit
    rows = MetricsFile(run.folder).rows()
    rows = [row for row in rows if "train_loss" in row and isinstance(row.get(name), int | float)]
    if not rows:
        return None
    valid = [float(row[name]) * unit for row in rows]
    train = [float(row["train_loss"]) for row in rows]
    updates = [int(row["updates"]) for row in rows]
    norms, largest, clipped = (
        [float(row[name]) for row in rows if name in row]
        for name in ("gradient_norm", "largest_gradient_norm", "clip_rate")
    )
    losses = Health(
        updates, train, valid, float(rows[-1]["epoch"]), _overfit(valid), _gap(train, valid),
        _late_gain(updates, valid), _rises(train), norms, largest, clipped,
    )  # fmt: skip
    options = getattr(run.plan.settings, "training", None)
    if not isinstance(options, TrainingSettings) or not isinstance(run.task, NetworkTask):
        return losses
    probe = probe_gradients(run, data)
    losses = replace(
        losses, probe_norms=probe.norms, clip_norm=options.clip_norm, update_ratio=update_ratio(run, options),
        padding=probe.padding, noise_scale=probe.noise_scale, batch_targets=probe.targets,
    )  # fmt: skip
    before = untrained(run)
    if before is None:
        return losses
    return replace(losses, first_step=_first_step(before, options), growth=_growth(run.model, before))


def _overfit(valid: Sequence[float]) -> float:
    finite = [value for value in valid if math.isfinite(value)]
    return (finite[-1] - min(finite)) / max(abs(min(finite)), 1e-9) if finite else 0.0


def _gap(train: Sequence[float], valid: Sequence[float]) -> float:
    """How much the last validation loss is above the last training loss, as a share of the former."""
    if not valid or not math.isfinite(valid[-1]):
        return 0.0
    return (valid[-1] - train[-1]) / max(abs(valid[-1]), 1e-9)


def _late_gain(updates: Sequence[int], valid: Sequence[float]) -> float:
    early = [value for update, value in zip(updates, valid, strict=True) if update <= 0.5 * updates[-1]]
    finite = [value for value in valid if math.isfinite(value)]
    if len(valid) < 4 or not early or not finite:
        return 0.0
    gained = valid[0] - min(finite)
    return max(min(early) - min(finite), 0.0) / gained if gained > 0.02 * abs(valid[0]) else 0.0


def _rises(train: Sequence[float]) -> float:
    lowest, largest = math.inf, 0.0
    for value in train:
        if not math.isfinite(value):
            return math.inf
        lowest = min(lowest, value)
        largest = max(largest, (value - lowest) / max(abs(lowest), 1e-9))
    return largest


def probe_gradients(run: Run, data: Any) -> ProbeBatches:
    """The gradients of the mean loss of a few batches of the task's loader, the network in training mode."""
    task, network = run.task, run.model
    assert isinstance(task, NetworkTask)
    assert isinstance(network, nn.Module)
    loader = task.exact_loader(data, run.plan.settings)
    steps = loader.num_steps(0)
    noise, padded, elements = GradientNoise(), 0, 0
    parameters = [p for p in network.parameters() if p.requires_grad]
    torch.manual_seed(run.plan.seed)
    network.train()
    try:
        for step in sorted({round(x) for x in np.linspace(0, max(steps - 1, 0), min(_BATCHES, steps))}):
            batch = loader.batch(0, step).to(run.runtime.device)._replace(continues=False)
            with torch.enable_grad():
                loss, _ = task.loss(network, batch, None)
                gradients = torch.autograd.grad(loss.sum / loss.count.clamp(min=1), parameters, allow_unused=True)
            noise.count(gradients, int(loss.count))
            rows, lengths = batch.source_or_inputs
            elements += rows.shape[0] * rows.shape[1]
            padded += 0 if lengths is None else int((rows.shape[1] - lengths).sum())
    finally:
        network.eval()
    norms = [math.sqrt(square) for square in noise.square_norms]
    return ProbeBatches(norms, padded / max(elements, 1), noise.scale(), float(np.mean(noise.sizes)) if norms else 0.0)


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


def _first_step(untrained: nn.Module, options: TrainingSettings) -> float | None:
    """AdamW moves each weight by at most about the learning rate: its share of their root mean square."""
    if options.optimizer != "adamw":
        return None
    scales = [float(p.detach().square().mean().sqrt()) for n, p in untrained.named_parameters() if decays(n, p)]
    return float(np.median([options.learning_rate / scale for scale in scales if scale])) if any(scales) else None


def _growth(network: nn.Module, untrained: nn.Module) -> float | None:
    """A matrix that began with zeros is left out."""
    before = dict(untrained.named_parameters())
    pairs = [(p, before[name]) for name, p in network.named_parameters() if decays(name, p) and name in before]
    ratios = [float(p.detach().norm() / b.detach().norm()) for p, b in pairs if p.shape == b.shape and b.any()]
    return float(np.median(ratios)) if ratios else None
