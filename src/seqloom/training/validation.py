"""What training is watched by: the loss over held-out data, shared by the ranks, and the task's own metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seqloom.nn.layer import State
from seqloom.runtime import Runtime
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.network_task import Loss, NetworkTask
from seqloom.tasks.task import Score
from seqloom.training.ranks import BatchAndState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Validation:
    """The held-out `data` of a training and how it is scored."""

    task: NetworkTask
    trained: Trained
    data: Any

    @property
    def score(self) -> Score:
        return self.task.score(self.data)

    @torch.no_grad()
    def run(self, objective: nn.Module, fabric: Fabric, runtime: Runtime) -> dict[str, Any]:
        """The metrics of the model as it is. Each rank takes its rows of every batch; what the model puts out, each
        rank works out alike."""
        model = self.trained.model
        model.eval()
        try:
            loss = self._loss(objective, fabric, runtime)
            return self.task.metrics(loss, self.data) | self.task.output_metrics(self.trained, self.data, brief=True)
        finally:
            model.train()

    def _loss(self, objective: nn.Module, fabric: Fabric, runtime: Runtime) -> Loss:
        sums = torch.zeros(2, dtype=torch.float64, device=runtime.device)
        state: State | None = None
        loader = self.task.exact_loader(self.data, self.trained.settings)
        for step in range(loader.num_steps(0)):
            batch = loader.batch(0, step).shard(runtime.rank, runtime.world_size)
            total, count, state = objective(BatchAndState(batch.to(runtime.device), state if batch.continues else None))
            sums += torch.stack([total.double(), count.double().to(total.device)])
        if runtime.world_size > 1:
            reduced = fabric.all_reduce(sums, reduce_op="sum")
            assert isinstance(reduced, Tensor)
            sums = reduced
        return Loss(sums[0].cpu(), sums[1].cpu())
