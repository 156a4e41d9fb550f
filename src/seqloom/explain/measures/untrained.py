"""A network of a run as it was before its first update."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seqloom.run import Run
from seqloom.storage.tensors import read_tensors
from seqloom.tasks.network_task import NetworkTask


def untrained(run: Run) -> nn.Module | None:
    """The network as it was before its first update: its weights follow from the seed. Pretrained embeddings are left
    out. None where the weights of another run were the beginning."""
    assert isinstance(run.task, NetworkTask)
    if run.plan.ancestry:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.plan.seed)
        network = run.task.rebuild(read_tensors(run.folder / "model.safetensors"), run.plan.model, run.plan.settings)
    encoder: Any = getattr(network, "encoder", None)
    if hasattr(encoder, "chunk_size"):
        encoder.chunk_size = 0
    return network.to(run.runtime.device).eval()
