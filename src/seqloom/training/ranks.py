"""One process or several: the module that is distributed, and lightning-fabric set up for this rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from seqloom.data.batch import Batch
from seqloom.nn.layer import State, detach
from seqloom.runtime import Runtime
from seqloom.tasks.network_task import NetworkTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class BatchAndState:
    """What a forward pass is given, as an object that Fabric does not look into: in half precision it would round every
    number that it finds, those of the carried state too."""

    def __init__(self, batch: Batch, state: State | None) -> None:
        self.batch, self.state = batch, state


class Objective(nn.Module):
    """The model and the task's loss as one module, so that what distributes a forward pass distributes this."""

    def __init__(self, task: NetworkTask, model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model

    def forward(self, given: BatchAndState) -> tuple[Tensor, Tensor, State | None]:
        """The loss's sum and count, and the state, through which no gradient flows."""
        loss, state = self.task.loss(self.model, given.batch, given.state)
        return loss.sum, loss.count, None if state is None else detach(state)


def make_fabric(runtime: Runtime) -> Fabric:
    """Fabric for this process: alone, or one of the ranks that `torchrun` started. Its import is slow and large, so it
    is done where a network is trained, and nowhere else."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    strategy: Any = "auto"
    if runtime.world_size > 1:
        # In a step, an output cluster may have no target and so no gradient.
        strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
    fabric = Fabric(
        accelerator="cuda" if runtime.on_gpu else "cpu",
        devices=runtime.local_world_size,
        num_nodes=runtime.world_size // runtime.local_world_size,
        strategy=strategy,
        precision="bf16-mixed" if runtime.bfloat16 else "32-true",
    )
    if runtime.world_size > 1:
        fabric.launch()
    return fabric
