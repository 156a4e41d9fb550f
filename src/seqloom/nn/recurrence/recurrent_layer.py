"""One recurrent layer: any cell along a sequence, forward or backward in time, by the fastest backend that supports it.

There are three backends. *native*: one call of torch's own kernel or of a parallel scan. *fused*: the project's
compiled kernels with a hand-written backward pass. *unrolled*: the cell's own step in a loop, for any cell, device and
precision. The layer chooses one.

Each backend takes inputs (batch, time, input) and the initial states of every row. It returns outputs (batch, time,
output), zero in padding, and each row's states after its last element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.nn.dropout import FastDropout, dropout_mask
from seqloom.nn.matrix_product import is_large
from seqloom.nn.recurrence.cell import Cell, GatedCell
from seqloom.nn.recurrence.gradient_norms import RecordsGradients
from seqloom.nn.recurrence.pass_context import Noise, PassContext
from seqloom.nn.recurrence.step_schedule import StepSchedule
from seqloom.nn.recurrence.types import States, Weights

BackendName = Literal["native", "fused", "unrolled"]


class Backend(NamedTuple):
    """How a layer runs, and the reason: what rules out a faster backend, or why this one is the fastest."""

    name: BackendName
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class RecurrentLayer(RecordsGradients):
    """`cell` along a sequence. Its initial states are learned parameters, or zeros.

    `forced_backend`: the backend to use whatever the inputs are, for tests and benchmarks.
    """

    def __init__(self, cell: Cell, learned_start: bool = True, backward: bool = False) -> None:
        super().__init__()
        self.cell, self.runs_backward, self.output_size = cell, backward, cell.output_size
        self.forced_backend: BackendName | None = None
        for number, size in enumerate(cell.state_sizes):
            zeros = torch.zeros(size)
            if learned_start:
                self.register_parameter(f"start_{number}", nn.Parameter(zeros))
            else:
                self.register_buffer(f"start_{number}", zeros, persistent=False)

    def initial_states(self, batch_size: int) -> States:
        numbers = range(len(self.cell.state_sizes))
        return tuple(getattr(self, f"start_{number}").expand(batch_size, -1) for number in numbers)

    def backend(self, inputs: Tensor, lengths: Tensor | None = None) -> Backend:
        """The backend that would run `inputs` (batch, time, input) now."""
        cell = self.cell
        if not isinstance(cell, GatedCell):
            return Backend("unrolled", f"{type(cell).__name__} defines a step only")
        if self.forced_backend is not None:
            return Backend(self.forced_backend, "forced")
        unsupported = self._native_unsupported(cell)
        if inputs.device.type == "cpu":
            return _cpu_backend(cell, unsupported, inputs.dtype, lengths)
        if unsupported:
            return Backend("unrolled", f"the fused kernels are for the CPU, and {unsupported}")
        return Backend("native", f"one call of {cell.native_name}")

    def _native_unsupported(self, cell: GatedCell) -> str:
        """Why the native backend cannot run the layer now; empty if it can."""
        if self.training and cell.recurrent_dropout:
            return "recurrent dropout has no native kernel"
        if any(cell.zoneout):
            return "zoneout has no native kernel"
        if self.recorded_passes is not None:
            return "gradients are recorded"
        return cell.native_unsupported()

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        states: States,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], States]:
        """The outputs, zero in padding, and the states after each row's last element (its first one, backward)."""
        cell: Cell = self.cell
        if inputs.shape[1] == 1 and lengths is None and self._is_plain_step(cell):
            states = cell.inference_step(inputs[:, 0], states)
            return states[0][:, None], states
        name = self.backend(inputs, lengths).name
        schedule = StepSchedule(inputs.shape[0], inputs.shape[1], lengths, self.runs_backward, inputs.device)
        if not schedule.num_elements:
            return inputs.new_zeros(schedule.batch, schedule.time, cell.output_size), states
        gradient_norms = None if self.recorded_passes is None else self.start_record(schedule, len(states))
        context = PassContext(schedule, self._draw_noise(schedule, states), gradient_norms)
        if not isinstance(cell, GatedCell):
            return unrolled_cell(cell, inputs, states, context)
        run = {"native": native, "fused": fused, "unrolled": unrolled}[name]
        return run(cell, self._weights(cell), inputs, states, context)

    def _is_plain_step(self, cell: Cell) -> TypeGuard[GatedCell]:
        """Whether a single step needs nothing but the cell's own: everything around it would cost more than it."""
        if self.training or self.forced_backend or torch.is_grad_enabled() or any(cell.zoneout):
            return False
        return isinstance(cell, GatedCell)

    def _draw_noise(self, schedule: StepSchedule, states: States) -> Noise:
        cell, recurrent_mask = self.cell, None
        if cell.training and isinstance(cell, GatedCell) and cell.recurrent_dropout:
            shape = schedule.active_rows, states[0].shape[1]
            recurrent_mask = dropout_mask(shape, cell.recurrent_dropout, states[0])
        zoneout_masks: list[Tensor | None] = []
        for state, rate in zip(states, cell.zoneout or (0.0,) * len(states), strict=True):
            if not rate:
                zoneout_masks.append(None)
                continue
            mask = state.new_empty(schedule.num_elements, state.shape[1])
            # uniform_ and a comparison are three times as fast as bernoulli_.
            zoneout_masks.append(mask.uniform_().lt_(rate) if cell.training else mask.fill_(rate))
        return Noise(recurrent_mask, tuple(zoneout_masks))

    def _weights(self, cell: GatedCell) -> Weights:
        weights = cell.weights()
        if not self.training or not cell.weight_dropout or weights[0] is None:
            return weights
        return FastDropout(cell.weight_dropout)(weights[0]), *weights[1:]  # Merity et al. 2018, section 2


def _cpu_backend(cell: GatedCell, native_unsupported: str, dtype: torch.dtype, lengths: Tensor | None) -> Backend:
    precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else dtype
    preferred = "" if native_unsupported else cell.native_preferred(precision)
    if preferred and lengths is None:
        return Backend("native", preferred)
    if cell.kernel() is None:
        if native_unsupported:
            return Backend("unrolled", "the cell has no fused kernel")
        return Backend("native", f"one call of {cell.native_name}")
    if preferred:
        return Backend("fused", f"{cell.native_name} is slow for rows of unequal length")
    return Backend("fused", native_unsupported or f"faster on a CPU than {cell.native_name}")


def native(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """One call of torch's own kernel or of a parallel scan."""
    schedule = context.schedule
    outputs, last = cell.native(inputs, schedule, tuple(schedule.pack_state(state) for state in states), weights)
    return outputs, tuple(schedule.unpack_state(state, new) for state, new in zip(states, last, strict=True))


def run_torch_kernel(
    kernel: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    schedule: StepSchedule,
    states: States,
    parameters: list[Any],
) -> tuple[Tensor, States]:
    """The result of `GatedCell.native`. `kernel` is torch._VF.lstm or a function like it, `parameters` its four weights
    and biases."""
    device = inputs.device.type
    if device == "cuda" and torch.is_autocast_enabled(device):
        # Left to autocast, cuDNN's recurrences run in float16, whatever precision was chosen.
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            states = tuple(state.to(dtype) for state in states)
            parameters = [weight.to(dtype) for weight in parameters]
            return run_torch_kernel(kernel, inputs.to(dtype), schedule, states, parameters)
    train = torch.is_grad_enabled()  # torch's name for "keep what the backward pass needs"
    initial = [state[None].contiguous() for state in states]
    previous = initial if len(initial) > 1 else initial[0]
    if schedule.dense:  # batch first: torch copies the inputs into its own layout in any case
        sequence = inputs.flip(1) if schedule.backward else inputs
        outputs, *last = kernel(sequence, previous, parameters, True, 1, 0.0, train, False, True)
        outputs = outputs.flip(1) if schedule.backward else outputs
    else:  # the elements of rows of unequal length are in the order of torch's packed sequences
        elements, batch_sizes = schedule.pack(inputs), torch.tensor(schedule.batch_sizes)
        outputs, *last = kernel(elements, batch_sizes, previous, parameters, True, 1, 0.0, train, False)
        outputs = schedule.unpack(outputs)
    return outputs, tuple(state[0] for state in last)


def fused(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """The cell's fused kernel. Half precision is used in matrix products only; the states are in float32 or float64."""
    from seqloom.nn.kernels.fused_recurrence import run_fused

    kernel_class = cell.kernel()
    assert kernel_class is not None, "the layer chose this backend"
    projected, state_dtype = cell.project(context.schedule.pack(inputs)), states[0].dtype
    dtype = torch.float64 if projected.dtype == torch.float64 else torch.float32
    states = tuple(state.to(dtype) for state in states)
    recurrent, *others = weights
    if recurrent is not None:
        in_bfloat16 = projected.dtype == torch.bfloat16 and is_large(recurrent, context.schedule.active_rows)
        recurrent = recurrent.to(torch.bfloat16 if in_bfloat16 else dtype)
    weights = recurrent, *(None if weight is None else weight.to(dtype) for weight in others)
    context = context if dtype == state_dtype else context.to(dtype)
    outputs, last = run_fused(kernel_class, context, projected.to(dtype), states, weights)
    return outputs.to(state_dtype), tuple(state.to(state_dtype) for state in last)


def unrolled(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """The cell's `step` in a Python loop, differentiated by autograd."""
    mask = context.noise.dropout_mask

    def step(projected: Tensor, previous: States) -> tuple[None, States]:
        return None, cell.step(projected, previous, weights, None if mask is None else mask[: len(projected)])

    all_states, last, _ = _loop(step, cell.project(context.schedule.pack(inputs)), states, context)
    return context.schedule.unpack(all_states[0]), last


def unrolled_cell(cell: Cell, inputs: Tensor, states: States, context: PassContext) -> tuple[Tensor, States]:
    """Any cell in a Python loop; its output may differ from its hidden state."""
    _, last, outputs = _loop(cell, context.schedule.pack(inputs), states, context)
    return context.schedule.unpack(torch.cat(outputs)), last


def _loop(
    step_function: Callable[[Tensor, States], tuple[Tensor | None, States]],
    elements: Tensor,
    states: States,
    context: PassContext,
) -> tuple[States, States, list[Tensor]]:
    """The states after all steps, each row's states after its last step, and the outputs of `step_function`."""
    schedule, noise, gradient_norms = context
    current = tuple(schedule.pack_state(state) for state in states)
    states_by_step: list[States] = []
    outputs: list[Tensor] = []
    for step, element in zip(schedule.steps, elements.split_with_sizes(schedule.batch_sizes), strict=True):
        previous = tuple(state[: step.rows] for state in current)
        output, new = step_function(element, previous)
        current = noise.apply_zoneout(step, previous, new)
        if gradient_norms is not None:
            gradient_norms.register_hooks(step, current)
        states_by_step.append(current)
        if output is not None:
            outputs.append(output)
    all_states = tuple(torch.cat(parts) for parts in zip(*states_by_step, strict=True))
    last = tuple(
        schedule.unpack_state(state, schedule.last_states(after))
        for state, after in zip(states, all_states, strict=True)
    )
    return all_states, last, outputs
