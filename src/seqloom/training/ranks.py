"""The processes that train one model together, or a single one: waiting for each other, sums and gathered values."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from seqloom.runtime import Runtime

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Processes(Protocol):
    def barrier(self) -> None:
        """Waits until every process has reached this point."""
        ...

    def rank_zero_first(self) -> AbstractContextManager[None]:
        """A context that the first process runs first; the others enter it when the first has left it."""
        ...

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """The value of each process, by rank."""
        ...


class SingleProcess:
    """The only process, which waits for no other."""

    def barrier(self) -> None: ...

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return nullcontext()

    def sum(self, values: Sequence[float]) -> list[float]:
        return list(values)

    def gather(self, value: Any) -> list[Any]:
        return [value]


class TorchrunProcesses:
    """The processes that `torchrun` started."""

    def __init__(self, fabric: Fabric, runtime: Runtime) -> None:
        self._fabric, self._runtime = fabric, runtime

    def barrier(self) -> None:
        self._fabric.barrier()

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return self._fabric.rank_zero_first()

    def sum(self, values: Sequence[float]) -> list[float]:
        import torch

        numbers = torch.tensor(values, dtype=torch.float64, device=self._runtime.device)
        total: Any = self._fabric.all_reduce(numbers, reduce_op="sum")
        return total.tolist()

    def gather(self, value: Any) -> list[Any]:
        import torch.distributed

        gathered: list[Any] = [None] * self._runtime.world_size
        torch.distributed.all_gather_object(gathered, value)
        return gathered


def make_fabric(runtime: Runtime) -> Fabric:
    """Fabric for this process, alone or started by `torchrun`. Its import is slow and large, so only the training of
    networks imports it."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Its banners would appear once for each process, and above every error.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for text in ("broadcast_buffers", "find_unused_parameters"):
        warnings.filterwarnings("ignore", f"(?s).*{text}")
    strategy: Any = "auto"
    if runtime.world_size > 1:
        # A step may have no target in an output cluster, whose parameters then have no gradient.
        strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
    fabric = Fabric(
        accelerator="cuda" if runtime.on_gpu else "cpu",
        devices=runtime.local_world_size,
        num_nodes=runtime.world_size // runtime.local_world_size,
        strategy=strategy,
        precision="bf16-mixed" if runtime.bfloat16 else "32-true",
        # Explicitly: Fabric would assume that SLURM started the processes whenever there is an allocation.
        plugins=[TorchElasticEnvironment() if runtime.world_size > 1 else LightningEnvironment()],
    )
    if runtime.world_size > 1:
        fabric.launch()
    return fabric


def processes_of(runtime: Runtime, fabric: Fabric) -> Processes:
    return TorchrunProcesses(fabric, runtime) if runtime.world_size > 1 else SingleProcess()
