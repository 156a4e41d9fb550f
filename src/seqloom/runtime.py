"""Where and how computation runs: device, precision, threads, ranks, seed. An object passed in, never a global."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from seqloom.errors import RequestError, SeqloomError

Precision = Literal["auto", "float32", "bfloat16"]


def cache_folder() -> Path:
    """Where tokenized corpora are kept: `$SEQLOOM_CACHE`, or `seqloom` in the user's cache folder."""
    if chosen := os.environ.get("SEQLOOM_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqloom"


@dataclass(frozen=True)
class Runtime:
    """One process's place in the work. `world_size` processes, `local_world_size` of them on this machine, share every
    global batch."""

    device: torch.device
    bfloat16: bool = False
    seed: int = 1
    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @classmethod
    def start(cls, *, device: str = "auto", precision: Precision = "auto", threads: int = 0, seed: int = 1) -> Runtime:
        """Sets the process up (threads, flushed denormals, seed) and says where it runs.

        Under `torchrun` the ranks come from its environment variables. `threads=0` leaves torch's own choice.
        `precision="auto"` takes bfloat16 where the processor multiplies it natively and float32 elsewhere.
        """
        if threads < 0:
            raise RequestError("the number of threads is out of range", got=threads, expected="0 or more")
        if not 0 <= seed < 2**32:
            raise RequestError("the seed is out of range", got=seed, expected="0 to 2**32 - 1")
        if threads:
            torch.set_num_threads(threads)
        torch.set_flush_denormal(True)  # denormal gradients can slow a step twenty times
        torch.manual_seed(seed)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            chosen = torch.device(device)
        except RuntimeError:
            raise RequestError("no such device", got=device, expected="auto, cpu, cuda") from None
        if chosen.type not in ("cpu", "cuda"):
            raise RequestError("the device is not supported", got=device, expected="auto, cpu, cuda")
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise RequestError("no GPU is to be had here", got=device, expected="auto or cpu")
        if precision == "bfloat16" and chosen.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise RequestError(
                "this processor cannot train in bfloat16",
                where="training.precision",
                got=precision,
                expected="auto or float32",
            )
        return cls(
            device=chosen,
            bfloat16=precision == "bfloat16" or (precision == "auto" and _multiplies_bfloat16(chosen)),
            seed=seed,
            rank=int(os.environ.get("RANK", "0")),
            world_size=int(os.environ.get("WORLD_SIZE", "1")),
            local_world_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )

    def generator(self) -> Tensor:
        """The state of the random numbers that dropout draws on the device."""
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.get_rng_state()

    def set_generator(self, state: Tensor) -> None:
        if len(state) != len(self.generator()):
            return  # saved on another kind of device, where no resuming could be exact
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)


def keep_freed_memory() -> None:
    """Lets this process keep what it frees, where the C library is glibc.

    Each training step of a network frees tens of megabytes and takes them again at the next one. Given back in between,
    every page is cleared anew by the kernel: up to a quarter of the time of a step (LOG.md).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        change = ctypes.CDLL(None).mallopt
        change(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that every version takes
        change(_M_TRIM_THRESHOLD, 2**31 - 1)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


@contextlib.contextmanager
def within_memory(asked: Mapping[str, object]) -> Iterator[None]:
    """Turns a failure to find memory into an error that says what was `asked` for: settings by their dotted names."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        refused = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not refused and not any(words in str(error) for words in _MEMORY_REFUSED):
            raise
        raise SeqloomError(
            "there is not enough memory",
            got=", ".join(f"{name}={value}" for name, value in asked.items()) or None,
            hint="smaller sizes need less",
        ) from None


_MEMORY_REFUSED = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
