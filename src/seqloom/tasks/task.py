"""What a task is to the trainer, the command line and the comparison. Knows no task by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.batch import Batch
from seqloom.data.corpus import Corpus, Drawing, Recipe
from seqloom.data.loader import Loader
from seqloom.nn.layer import State
from seqloom.tasks.use import Trained, TrainedModel


class Loss(NamedTuple):
    """`sum`: nats (or squared error) over the targets that count; `count`: how many. Averages of averages are wrong on
    ragged batches, so whoever divides does it once, at the end."""

    sum: Tensor
    count: Tensor  # type: ignore[assignment]  # tuple.count is not missed


class Score(NamedTuple):
    """The metric by which runs are compared, and the best weights of one are chosen."""

    name: str
    lower_is_better: bool

    def better(self, value: float, than: float) -> bool:
        return value < than if self.lower_is_better else value > than


class Task(Protocol):
    name: str

    def models(self) -> Sequence[str]: ...

    def settings(self, model: str) -> type[Settings]:
        """The class of all the task's settings for this model, but for those of training."""
        ...

    def preset(self, model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The dotted settings that do well with this model, given what the user `asked` for."""
        ...

    def recipe(self, settings: Any) -> Recipe[Any, Any] | Drawing:
        """How the user's files, or what else DATA names, become data."""
        ...

    def build(self, corpus: Corpus[Any, Any], model: str, settings: Any) -> nn.Module: ...

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Any) -> nn.Module:
        """The network that `tensors` were saved from; they are loaded into it by the caller."""
        ...

    def train_loader(self, corpus: Corpus[Any, Any], settings: Any, seed: int) -> Loader: ...

    def exact_loader(self, data: Any, settings: Any) -> Loader:
        """Every target once, in an order that does not change."""
        ...

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]: ...

    def score(self, data: Any) -> Score:
        """One of the metrics."""
        ...

    def metrics(self, total: Loss, data: Any) -> dict[str, float]:
        """What the loss over all of `data` says, by plain names."""
        ...

    def output_metrics(self, trained: Trained, data: Any, brief: bool) -> dict[str, Any]:
        """What the model's own output on `data` says, by plain names; `brief`: of part of it, as during training."""
        ...


@runtime_checkable
class PresetByData(Protocol):
    """A task whose models start from other settings for other kinds of data."""

    def preset_for(self, model: str, asked: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        """What `preset` gives, for the kind of data that the name of the file `data` says it holds."""
        ...


def evaluate(task: Task, trained: Trained, data: Any, device: torch.device, brief: bool = False) -> dict[str, Any]:
    """All metrics on `data`, `score` among them."""
    total = total_loss(task, trained.model, task.exact_loader(data, trained.settings), device)
    return task.metrics(total, data) | task.output_metrics(trained, data, brief)


@torch.no_grad()
def total_loss(task: Task, model: nn.Module, loader: Loader, device: torch.device) -> Loss:
    """The loss over everything that the loader holds, with the model in evaluation mode for the time."""
    was_training = model.training
    model.eval()
    total, count = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
    state: State | None = None
    try:
        for step in range(loader.num_steps(0)):
            batch = loader.batch(0, step).to(device)
            loss, state = task.loss(model, batch, state if batch.continues else None)
            total += loss.sum.double().cpu()
            count += loss.count.cpu()
    finally:
        model.train(was_training)
    return Loss(total, count)
