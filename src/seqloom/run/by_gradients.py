"""Training of networks, by gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from seqloom.data.corpus import Corpus
from seqloom.memory import keep_freed_memory, within_memory
from seqloom.run.plan import Plan, sizes
from seqloom.runtime import Runtime
from seqloom.storage.tensors import load_model_tensors, model_tensors, read_tensors, write_tensors
from seqloom.tasks.capabilities import Calibrates, Trained
from seqloom.tasks.network_task import NetworkTask
from seqloom.tasks.task import Task
from seqloom.training.budget import Progress
from seqloom.training.progress import Display
from seqloom.training.ranks import make_fabric
from seqloom.training.settings import TrainingSettings
from seqloom.training.trainer import Trainer
from seqloom.training.validation import Validation


class ByGradients:
    """Trains a network and keeps its run folder: see `Trainer`."""

    def __init__(self, task: Task, plan: Plan, folder: Path, device: str, threads: int) -> None:
        assert isinstance(task, NetworkTask)
        self.task, self.plan, self.folder = task, plan, folder
        self.options: TrainingSettings = cast(Any, plan.settings).training
        precision = self.options.precision
        self.runtime = Runtime.start(device=device, precision=precision, threads=threads, seed=plan.seed)
        self.fabric = make_fabric(self.runtime)
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
        trainer = Trainer(
            self.task,
            self.network,
            self.task.train_loader(self.corpus, self.plan.settings, self.plan.seed),
            Validation(self.task, trained, self.corpus.valid),
            self.options,
            self.plan.budget,
            self.runtime,
            self.fabric,
            self.folder,
            display,
        )
        if resume:
            trainer.resume()
        progress = trainer.run()
        self.barrier()
        load_model_tensors(self.network, read_tensors(self.folder / "model.safetensors"), self.folder)
        self.network.eval()
        if isinstance(self.task, Calibrates):
            self.task.calibrate(trained, self.corpus.valid)  # each rank alike
            if self.runtime.rank == 0:
                write_tensors(self.folder / "model.safetensors", model_tensors(self.network))
        return progress


def open_network(task: Task, plan: Plan, folder: Path, runtime: Runtime) -> nn.Module:
    """That of a run's folder."""
    assert isinstance(task, NetworkTask)
    keep_freed_memory()
    tensors = read_tensors(folder / "model.safetensors")
    with within_memory(sizes(plan.settings)):
        network = task.rebuild(tensors, plan.model, plan.settings)
    load_model_tensors(network, tensors, folder)
    return network.to(runtime.device).eval()
