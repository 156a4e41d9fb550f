"""Records the norms of the gradients of recurrent states, step by step and row by row in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqloom.nn.recurrence.step_schedule import StepSchedule
from seqloom.nn.recurrence.types import ScheduledStep


class GradientNorms:
    """The norms of one pass over a sequence, kept in the order of its schedule until they are read."""

    def __init__(self, schedule: StepSchedule, num_states: int) -> None:
        self.schedule = schedule
        self.norms = [torch.zeros(schedule.num_elements, 1, device=schedule.device) for _ in range(num_states)]

    def record(self, step: ScheduledStep, gradients: Sequence[Tensor]) -> None:
        for number, gradient in enumerate(gradients):
            self.record_state(step, number, gradient)

    def record_state(self, step: ScheduledStep, number: int, gradient: Tensor) -> None:
        self.norms[number][step.start : step.start + step.rows, 0] = torch.linalg.vector_norm(gradient, dim=1)

    def register_hooks(self, step: ScheduledStep, states: Sequence[Tensor]) -> None:
        """Records the gradients that autograd computes for the states after a step."""
        for number, state in enumerate(states):
            if state.requires_grad:
                state.register_hook(partial(self.record_state, step, number))  # type: ignore[no-untyped-call]

    def by_row(self) -> list[Float[Tensor, "batch time"]]:
        return [self.schedule.unpack(norms)[:, :, 0] for norms in self.norms]


class GradientRecord:
    """The gradient norms of every recurrent layer, by the layer's name among the modules that are recorded."""

    def __init__(self) -> None:
        self.passes: dict[str, list[GradientNorms]] = {}

    def __getitem__(self, name: str) -> tuple[Float[Tensor, "batch time"], ...]:
        """One (batch, time) for each state: the norm of dL/dh_t, and of dL/dc_t where there is a cell state.

        At each row's element t; zero in padding. The chunks of a sequence are concatenated.
        """
        chunks = [norms.by_row() for norms in self.passes[name]]
        return tuple(torch.cat(parts, dim=1) for parts in zip(*chunks, strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


class RecordsGradients(nn.Module):
    """A module whose gradient norms can be recorded."""

    recorded_passes: list[GradientNorms] | None = None

    def start_record(self, schedule: StepSchedule, num_states: int) -> GradientNorms | None:
        """A new record for this pass; None while nothing is recorded."""
        if self.recorded_passes is None or not torch.is_grad_enabled():
            return None
        self.recorded_passes.append(GradientNorms(schedule, num_states))
        return self.recorded_passes[-1]


@contextmanager
def record_gradients(module: nn.Module) -> Iterator[GradientRecord]:
    """Within this context, backward passes through the recurrent layers of `module` record the norms of the gradients
    of their states.

        with record_gradients(layer) as record:
            outputs, _ = layer(inputs)
            loss(outputs).backward()
        hidden, cell = record["stack.0"]   # (batch, time) each, of an LSTM

    No further pass is made: the backward pass through time computes these gradients anyway.
    """
    record = GradientRecord()
    recorded = [(name, part) for name, part in module.named_modules() if isinstance(part, RecordsGradients)]
    for name, part in recorded:
        part.recorded_passes = record.passes.setdefault(name, [])
    try:
        yield record
    finally:
        for _, part in recorded:
            part.recorded_passes = None
