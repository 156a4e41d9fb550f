"""Where and how computation runs: device, precision, threads, seed, and the processes that train one model together.

Torch is imported only where a network runs, not for models that compiled loops fit.
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seqloom.errors import RequestError
from seqloom.processors import default_threads, is_amd, set_num_threads

if TYPE_CHECKING:
    from torch import nn

_KERNEL_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "8"}
"""oneDNN compiles a kernel for every shape of a product, and keeps 1,024 of them by default; torch keeps 64 more of
each kind of product in a cache of its own. Batches of many shapes fill both: hundreds of megabytes in half a minute,
and no measurable speed (LOG.md)."""

Precision = Literal["auto", "float32", "bfloat16"]


def cache_folder() -> Path:
    """The folder of tokenized corpora: `$SEQLOOM_CACHE`, or `seqloom` in the user's cache folder."""
    if folder := os.environ.get("SEQLOOM_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqloom"


@dataclass(frozen=True)
class Runtime:
    """Where one process computes, and its rank. `device` is torch's name for it, such as `cpu` or `cuda:1`.
    `world_size` processes share every global batch; `local_world_size` of them run on this machine."""

    device: str = "cpu"
    bfloat16: bool = False
    seed: int = 1
    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @staticmethod
    def check_launcher() -> None:
        """Raises RequestError where `srun` started several processes, each of which would train the same model."""
        tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
        if "RANK" not in os.environ and tasks.isdecimal() and int(tasks) > 1:
            raise RequestError(
                "srun started the training more than once",
                got=f"{tasks} tasks",
                expected="one",
                hint=f"srun --ntasks-per-node 1 torchrun --nproc-per-node {tasks} -m seqloom train ...",
            )

    def check_single_process(self) -> None:
        """Raises RequestError for a model that only the threads of one process can fit, where there are several."""
        if self.world_size > 1:
            raise RequestError(
                "this model is fitted by the threads of one process", got=f"{self.world_size} processes", expected=1
            )

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @classmethod
    def of_loops(cls, *, device: str = "auto", threads: int = 0, seed: int = 1) -> Runtime:
        """Prepares the process for models that compiled loops fit, on the CPU. `threads=0`: see `num_threads`."""
        if device not in ("auto", "cpu"):
            raise RequestError("this model runs on the CPU", where="--device", got=device, expected="auto or cpu")
        _check(threads, seed)
        if threads:
            set_num_threads(threads)
        return cls("cpu", False, seed, *_ranks())

    @classmethod
    def start(cls, *, device: str = "auto", precision: Precision = "auto", threads: int = 0, seed: int = 1) -> Runtime:
        """Prepares the process for networks: threads, flushed denormals, seed, device and precision.

        Under `torchrun` the ranks come from its environment variables. `threads=0`: see `default_threads`; no more than
        torch would use, which counts physical processors.
        `precision="auto"` is bfloat16 if the device multiplies it faster than float32, otherwise float32.
        """
        import torch

        for name, capacity in _KERNEL_CACHES.items():
            os.environ.setdefault(name, capacity)  # read at the first product
        # cuDNN needs all weights of a recurrence in one piece of memory and copies them; the cost is negligible.
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
        _check(threads, seed)
        threads = threads or min(default_threads(), torch.get_num_threads())
        if threads != torch.get_num_threads():  # setting it changes more in MKL than the number
            torch.set_num_threads(threads)
        set_num_threads(threads)
        torch.set_flush_denormal(True)  # denormal gradients can slow a step twenty times
        torch.manual_seed(seed)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            kind = torch.device(device).type
        except RuntimeError:
            raise RequestError("no such device", got=device, expected="auto, cpu, cuda") from None
        if kind not in ("cpu", "cuda"):
            raise RequestError("the device is not supported", got=device, expected="auto, cpu, cuda")
        if kind == "cuda" and not torch.cuda.is_available():
            raise RequestError("no GPU is available", got=device, expected="auto or cpu")
        if precision == "bfloat16" and kind == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise RequestError(
                "this processor cannot train in bfloat16",
                where="training.precision",
                got=precision,
                expected="auto or float32",
            )
        bfloat16 = precision == "bfloat16" or (precision == "auto" and _is_faster_in_bfloat16(kind))
        return cls(device, bfloat16, seed, *_ranks())


def _check(threads: int, seed: int) -> None:
    most = max(64, 4 * (os.cpu_count() or 1))  # tens of thousands crash the process
    if not 0 <= threads <= most:
        raise RequestError("the number of threads is out of range", got=threads, expected=f"0 to {most}")
    if not 0 <= seed < 2**32:
        raise RequestError("the seed is out of range", got=seed, expected="0 to 2**32 - 1")


def _ranks() -> tuple[int, int, int]:
    """Rank, world size and local world size, as `torchrun` gives them."""
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1}
    values = {name: os.environ.get(name, str(alone)) for name, alone in names.items()}
    for name, value in values.items():
        if not value.isdecimal():
            raise RequestError(
                "the environment of torchrun is damaged", where=name, got=repr(value), expected="a number"
            )
    rank, world_size, local_world_size = map(int, values.values())
    return rank, world_size, local_world_size


def is_first_on_machine() -> bool:
    """Whether this process prints messages for all processes of `torchrun` or `srun` on this machine."""
    return os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")) in ("0", "")


def _is_faster_in_bfloat16(kind: str) -> bool:
    """Whether products in bfloat16 are faster than in float32.

    The bfloat16 instructions of AVX-512 are twice as fast as those of float32 on AMD's processors, and half as fast on
    Intel's (LOG.md), which need AMX for it; a virtual machine may hide AMX.
    """
    import torch

    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or (is_amd() and capabilities.get("avx512_bf16")))


class Processes(Protocol):
    """The processes that train one model together, or a single one."""

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

    def averaging(self, module: nn.Module) -> nn.Module:
        """The module as one whose backward pass averages its gradients over all processes."""
        ...

    def gradients_apart(self, module: nn.Module) -> AbstractContextManager[None]:
        """A context in which the gradients of such a module stay those of each process."""
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

    def averaging(self, module: nn.Module) -> nn.Module:
        return module

    def gradients_apart(self, module: nn.Module) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()


class TorchrunProcesses:
    """The processes that `torchrun` started, connected by gloo, or by NCCL on GPUs."""

    def __init__(self, runtime: Runtime) -> None:
        import torch.distributed as dist

        self._runtime = runtime
        if dist.is_initialized():
            return
        if runtime.on_gpu:
            import torch

            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # One process may prepare the data for hours while the others wait. If it dies, torchrun ends them.
        dist.init_process_group("nccl" if runtime.on_gpu else "gloo", timeout=timedelta(days=1_000))
        atexit.register(dist.destroy_process_group)

    def barrier(self) -> None:
        import torch.distributed as dist

        dist.barrier()

    @contextmanager
    def rank_zero_first(self) -> Iterator[None]:
        if self._runtime.rank:
            self.barrier()
        try:
            yield
        finally:
            if not self._runtime.rank:
                self.barrier()

    def sum(self, values: Sequence[float]) -> list[float]:
        import torch
        import torch.distributed as dist

        numbers = torch.tensor(values, dtype=torch.float64, device=self._runtime.device)
        dist.all_reduce(numbers)
        return numbers.tolist()

    def gather(self, value: Any) -> list[Any]:
        import torch.distributed as dist

        gathered: list[Any] = [None] * self._runtime.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def averaging(self, module: nn.Module) -> nn.Module:
        from torch.nn.parallel import DistributedDataParallel

        for text in ("broadcast_buffers", "find_unused_parameters"):  # said once for each process
            warnings.filterwarnings("ignore", f"(?s).*{text}")
        # A step may have no target in an output cluster, whose parameters then have no gradient.
        return DistributedDataParallel(module, find_unused_parameters=True, broadcast_buffers=False)

    def gradients_apart(self, module: nn.Module) -> AbstractContextManager[None]:
        parallel: Any = module
        context: AbstractContextManager[None] = parallel.no_sync()
        return context


def processes_of(runtime: Runtime) -> Processes:
    """The connected processes of `torchrun`, or the only process."""
    return TorchrunProcesses(runtime) if runtime.world_size > 1 else SingleProcess()
