"""How large the gradients of memories are, step by step and row by row, noted while the backward pass goes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqloom.nn.recurrence.step_schedule import Step, StepSchedule


class Norms:
    """The norms of one pass over a sequence, in the order of its steps until they are read."""

    def __init__(self, order: StepSchedule, num_memories: int) -> None:
        self.order = order
        self.found = [torch.zeros(order.elements, 1, device=order.device) for _ in range(num_memories)]

    def write(self, step: Step, gradients: Sequence[Tensor]) -> None:
        for number, gradient in enumerate(gradients):
            self.write_one(step, number, gradient)

    def write_one(self, step: Step, number: int, gradient: Tensor) -> None:
        self.found[number][step.start : step.start + step.rows, 0] = torch.linalg.vector_norm(gradient, dim=1)

    def watch(self, step: Step, memories: Sequence[Tensor]) -> None:
        """Writes what autograd finds for the memories after a step."""
        for number, memory in enumerate(memories):
            if memory.requires_grad:
                memory.register_hook(partial(self.write_one, step, number))  # type: ignore[no-untyped-call]

    def by_row(self) -> list[Float[Tensor, "batch time"]]:
        return [self.order.put(norms)[:, :, 0] for norms in self.found]


class GradientRecord:
    """The gradients' norms of every recurrent layer, by the layer's name among the modules of what is recorded."""

    def __init__(self) -> None:
        self.passes: dict[str, list[Norms]] = {}

    def __getitem__(self, name: str) -> tuple[Float[Tensor, "batch time"], ...]:
        """One (batch, time) for each memory: the norm of dL/dh_t, and of dL/dc_t where there is one.

        At each row's element t; zero in padding. A sequence given in chunks is laid end to end.
        """
        chunks = [norms.by_row() for norms in self.passes[name]]
        return tuple(torch.cat(parts, dim=1) for parts in zip(*chunks, strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


class Recorded(nn.Module):
    """A module whose passes can be recorded."""

    passes: list[Norms] | None = None

    def new_norms(self, order: StepSchedule, num_memories: int) -> Norms | None:
        """Where this pass notes its gradients; None while nothing is recorded."""
        if self.passes is None or not torch.is_grad_enabled():
            return None
        self.passes.append(Norms(order, num_memories))
        return self.passes[-1]


@contextmanager
def record_gradients(module: nn.Module) -> Iterator[GradientRecord]:
    """Within it, backward passes through the recurrent layers of `module` note the gradients of their memories.

        with record_gradients(layer) as record:
            outputs, _ = layer(inputs)
            loss(outputs).backward()
        hidden, cell = record["stack.0"]   # (batch, time) each, of an LSTM

    No further pass is made: the backward pass through time holds these gradients anyway.
    """
    record = GradientRecord()
    found = [(name, part) for name, part in module.named_modules() if isinstance(part, Recorded)]
    for name, part in found:
        part.passes = record.passes.setdefault(name, [])
    try:
        yield record
    finally:
        for _, part in found:
            part.passes = None
