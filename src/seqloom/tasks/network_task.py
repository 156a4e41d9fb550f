"""The contract of tasks whose models are networks, for training and scoring; independent of any task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from seqloom.data.batches import Batch, Loader
from seqloom.data.corpus import Corpus
from seqloom.nn.layer import State, evaluating
from seqloom.tasks.capabilities import Trained, TrainedModel
from seqloom.tasks.task import Task


class Loss(NamedTuple):
    """`sum`: nats (or squared error) over the targets that count; `count`: their number. The caller divides once at the
    end, since averages of averages are wrong for batches of different sizes."""

    sum: Tensor
    count: Tensor  # type: ignore[assignment]  # hides tuple.count


@runtime_checkable
class NetworkTask(Task, Protocol):
    def build(self, corpus: Corpus[Any, Any], model: str, settings: Any) -> nn.Module: ...

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Any) -> nn.Module:
        """An untrained network with the sizes of the saved `tensors`, which the caller loads into it."""
        ...

    def train_loader(self, corpus: Corpus[Any, Any], settings: Any, seed: int) -> Loader: ...

    def exact_loader(self, data: Any, settings: Any) -> Loader:
        """Every target once, in a fixed order."""
        ...

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]: ...

    def metrics(self, total: Loss, data: Any) -> dict[str, float]:
        """The metrics that follow from the loss over all of `data`, by name."""
        ...

    def output_metrics(self, trained: Trained, data: Any, brief: bool) -> dict[str, Any]:
        """The metrics of the model's output on `data`, by name; `brief`: on part of it, as during training."""
        ...


def evaluate(task: NetworkTask, trained: Trained, data: Any, device: str, brief: bool = False) -> dict[str, Any]:
    """All metrics on `data`, including the score."""
    total = total_loss(task, trained.model, task.exact_loader(data, trained.settings), device)
    return task.metrics(total, data) | task.output_metrics(trained, data, brief)


@torch.no_grad()
def total_loss(task: NetworkTask, model: nn.Module, loader: Loader, device: str) -> Loss:
    """The loss over all batches of the loader, in evaluation mode."""
    total, count = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
    state: State | None = None
    with evaluating(model):
        for step in range(loader.num_steps(0)):
            batch = loader.batch(0, step).to(device)
            loss, state = task.loss(model, batch, state if batch.continues else None)
            total += loss.sum.double().cpu()
            count += loss.count.cpu()
    return Loss(total, count)
