"""What a task is to the trainer, the command line and the comparison. Knows no task by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.data.batch import Batch
from seqloom.data.corpus import Corpus, Sources
from seqloom.data.loader import Loader
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import Tokenizer
from seqloom.nn.layer import State

TrainedModel = Any
"""A task's network: an nn.Module that also has what the task's own contract asks for."""


class Loss(NamedTuple):
    """`sum`: nats (or squared error) over the targets that count; `count`: how many. Averages of averages are wrong on
    ragged batches, so whoever divides does it once, at the end."""

    sum: Tensor
    count: Tensor  # type: ignore[assignment]  # tuple.count is not missed


class Task(Protocol):
    name: str
    score: str
    """The metric by which runs are compared."""
    lower_is_better: bool

    def models(self) -> Sequence[str]: ...

    def settings(self, model: str) -> type[Settings]:
        """The class of all the task's settings for this model, but for those of training."""
        ...

    def preset(self, model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The dotted settings that do well with this model, given what the user `asked` for."""
        ...

    def read(self, sources: Sources, settings: Settings, cache: Path) -> Corpus: ...

    def read_more(self, path: str, tokenizer: Tokenizer, cache: Path) -> TokenFile:
        """Another text for an existing model, to evaluate on."""
        ...

    def build(self, corpus: Corpus, model: str, settings: Settings) -> nn.Module: ...

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Settings) -> nn.Module:
        """The network that `tensors` were saved from; they are loaded into it by the caller."""
        ...

    def train_loader(self, corpus: Corpus, settings: Settings, seed: int) -> Loader: ...

    def exact_loader(self, tokens: TokenFile, settings: Settings) -> Loader:
        """Every target once, in an order that does not change."""
        ...

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]: ...

    def metrics(self, total: Loss, tokens: TokenFile) -> dict[str, float]:
        """The metrics by their plain names, `score` among them."""
        ...


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
