"""One process, or several that train one model together: how they wait for one another and share numbers."""

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
        """Waits until every process is here."""
        ...

    def rank_zero_first(self) -> AbstractContextManager[None]:
        """What the first process does within, the others find done."""
        ...

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """The value of each process, by rank."""
        ...


class SingleProcess:
    """There is nobody to wait for."""

    def barrier(self) -> None: ...

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return nullcontext()

    def sum(self, values: Sequence[float]) -> list[float]:
        return list(values)

    def gather(self, value: Any) -> list[Any]:
        return [value]


class TorchrunProcesses:
    """Those that `torchrun` started."""

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
    """Fabric for this process: alone, or one of those that `torchrun` started. Its import is slow and large, so it is
    imported only where a network is trained."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Its banners would come once a process, and above every error.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for text in ("broadcast_buffers", "find_unused_parameters"):
        warnings.filterwarnings("ignore", f"(?s).*{text}")
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
        # Given explicitly: Fabric would take every allocation of SLURM for processes that SLURM has started.
        plugins=[TorchElasticEnvironment() if runtime.world_size > 1 else LightningEnvironment()],
    )
    if runtime.world_size > 1:
        fabric.launch()
    return fabric


def processes_of(runtime: Runtime, fabric: Fabric) -> Processes:
    return TorchrunProcesses(fabric, runtime) if runtime.world_size > 1 else SingleProcess()
