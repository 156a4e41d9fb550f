"""Training with torch: of networks, by gradients; and of the language models that count, which are torch's modules."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqloom.data.corpus import Corpus
from seqloom.memory import keep_freed_memory, within_memory
from seqloom.models.counted import Counted
from seqloom.models.fitted import Fitted
from seqloom.models.tensors import load_model_tensors, model_tensors, read_tensors, write_tensors
from seqloom.run.at_once import fit
from seqloom.run.plan import Plan, sizes
from seqloom.runtime import Runtime
from seqloom.tasks.network_task import NetworkTask
from seqloom.tasks.task import Task
from seqloom.tasks.use import Calibrates, Trained
from seqloom.training.alone import Alone
from seqloom.training.budget import Progress
from seqloom.training.progress import Display
from seqloom.training.ranks import make_fabric
from seqloom.training.settings import TrainingSettings
from seqloom.training.trainer import Trainer
from seqloom.training.validation import Validation


class WithTorch:
    """Trains a network and keeps its run folder; or fits a model that counts."""

    def __init__(self, counts: bool, task: Task, plan: Plan, folder: Path, device: str, threads: int) -> None:
        """`counts`: whether the model is one that counts."""
        assert isinstance(task, NetworkTask)
        self.task, self.plan, self.folder = task, plan, folder
        self.options: TrainingSettings = getattr(plan.settings, "training", TrainingSettings())
        precision = self.options.precision
        self.runtime = Runtime.start(device=device, precision=precision, threads=threads, seed=plan.seed)
        self.fabric: Any = Alone() if counts and self.runtime.world_size == 1 else make_fabric(self.runtime)
        if not counts:
            keep_freed_memory()

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return self.fabric.rank_zero_first()

    def barrier(self) -> None:
        self.fabric.barrier()

    def build(self, corpus: Corpus[Any, Any]) -> nn.Module:
        torch.manual_seed(self.plan.seed)
        self.corpus, self.network = corpus, self.task.build(corpus, self.plan.model, self.plan.settings)
        return self.network

    def run(self, display: Display, resume: bool) -> Progress:
        """Leaves the best weights in the network, ready for use."""
        trained = Trained(self.network, self.corpus.codec, self.plan.settings)
        validation = Validation(self.task, trained, self.corpus.valid)
        if isinstance(self.network, Counted):
            progress = fit(self.network, self.corpus, validation, self.folder, self.runtime, self.fabric, display)
        else:
            progress = self._train(validation, display, resume)
        self.network.eval()
        if isinstance(self.task, Calibrates):
            self.task.calibrate(trained, self.corpus.valid)  # each rank alike
            if self.runtime.rank == 0:
                write_tensors(self.folder / "model.safetensors", model_tensors(self.network))
        return progress

    def _train(self, validation: Validation, display: Display, resume: bool) -> Progress:
        loader = self.task.train_loader(self.corpus, self.plan.settings, self.plan.seed)
        trainer = Trainer(
            self.task, self.network, loader, validation, self.options, self.plan.budget, self.runtime, self.fabric,
            self.folder, display,
        )  # fmt: skip
        if resume:
            trainer.resume()
        progress = trainer.run()
        self.fabric.barrier()
        load_model_tensors(self.network, read_tensors(self.folder / "model.safetensors"), self.folder)
        return progress


def open_model(task: Task, fitted: Fitted | None, plan: Plan, folder: Path, runtime: Runtime) -> nn.Module:
    """The network of a run's folder, or the model that counts, which `fitted` is."""
    model = _open_network(task, plan, folder) if fitted is None else fitted
    if fitted is not None:
        fitted.open(folder)
    assert isinstance(model, nn.Module)
    return model.to(runtime.device).eval()


def _open_network(task: Task, plan: Plan, folder: Path) -> nn.Module:
    assert isinstance(task, NetworkTask)
    keep_freed_memory()
    tensors = read_tensors(folder / "model.safetensors")
    with within_memory(sizes(plan.settings)):
        network = task.rebuild(tensors, plan.model, plan.settings)
    load_model_tensors(network, tensors, folder)
    return network
