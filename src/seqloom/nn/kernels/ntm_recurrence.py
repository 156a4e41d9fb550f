"""The Neural Turing Machine's kernels as one autograd function over whole sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.kernels.ntm import Gradients, Parameters, Tape, backward, forward
from seqloom.nn.kernels.parallel_rows import run_by_rows
from seqloom.nn.ntm.addressing import Heads


class Inputs(NamedTuple):
    """The differentiable inputs of the recurrence.

    `projected` (batch, time, gates): the product of the inputs with the controller's weights, plus its bias. `memory`
    (batch, width, locations), `weights` (batch, heads, locations), `reads` (batch, reads), `hidden` and `cell` (batch,
    hidden): the initial state; the last two are (batch, 0) for a feed-forward controller. `recurrent` (gates, reads, or
    reads and hidden), `head_weight` (instructions, hidden), `head_bias`: parameters.
    """

    projected: Tensor
    memory: Tensor
    weights: Tensor
    reads: Tensor
    hidden: Tensor
    cell: Tensor
    recurrent: Tensor
    head_weight: Tensor
    head_bias: Tensor


def _allocate_tape(inputs: Inputs, heads: Heads, keeps_memories: bool) -> Tape:
    """A tape with the initial state, the projected inputs and the bias of the heads in their places."""
    projected, (batch, time) = inputs.projected, inputs.projected.shape[:2]
    locations, hidden_size = inputs.memory.shape[2], inputs.head_weight.shape[1]
    new, zeros = projected.new_empty, projected.new_zeros
    per_head = (batch, time, heads.all, locations)
    tape = Tape(
        gates=projected.detach().clone(memory_format=torch.contiguous_format),
        instructions=inputs.head_bias.detach().repeat(batch, time, 1),
        controller_inputs=zeros(batch, time, inputs.recurrent.shape[1]),
        hidden=zeros(batch, time + 1, hidden_size),
        cells=zeros(batch, time + 1, inputs.cell.shape[1]),
        reads=zeros(batch, time + 1, inputs.reads.shape[1]),
        memories=new(batch, time + 1 if keeps_memories else 1, heads.width, locations),
        weights=zeros(batch, time + 1, heads.all, locations),
        cosines=new(per_head),
        contents=new(per_head),
        shifted=new(per_head),
        inverse_norms=new(batch, time, locations),
    )
    states = (tape.cells, inputs.cell), (tape.reads, inputs.reads), (tape.weights, inputs.weights)
    for buffer, initial in (*states, (tape.memories, inputs.memory)):
        buffer[:, 0] = initial.detach()
    if inputs.hidden.shape[1]:
        tape.hidden[:, 0] = inputs.hidden.detach()
    return tape


def _run_forward(inputs: Inputs, lengths: Tensor, heads: Heads, keeps_memories: bool) -> Tape:
    tape = _allocate_tape(inputs, heads, keeps_memories)
    parameters = Parameters(_array(inputs.recurrent), _array(inputs.head_weight))
    arrays = Tape(*(tensor.numpy() for tensor in tape))
    lengths_array = lengths.numpy()

    def run_rows(first: int, last: int) -> None:
        forward(first, last, lengths_array, heads.shifts, heads.write, parameters, arrays)

    run_by_rows(len(lengths), run_rows)
    return tape


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _results(tape: Tape, lengths: Tensor, is_lstm: bool) -> tuple[Tensor, ...]:
    """The hidden states and the reads of all steps, and the state after each row's last element. Nothing shares memory
    with the tape, which the backward pass will read."""
    rows = torch.arange(len(lengths))
    memory = tape.memories[rows, lengths if tape.memories.shape[1] > 1 else torch.zeros_like(lengths)]
    last = [tape.weights[rows, lengths], tape.reads[rows, lengths]]
    controller = [tape.hidden[rows, lengths], tape.cells[rows, lengths]] if is_lstm else [tape.cells[:, 0]] * 2
    return tape.hidden[:, 1:].clone(), tape.reads[:, 1:].clone(), memory, *last, *(part.clone() for part in controller)


class MemoryRecurrence(torch.autograd.Function):
    """Hidden states (batch, time, hidden) and reads (batch, time, reads), then memory, weights, reads, hidden and cell
    state after each row's last element, with a hand-written backward pass through time. The weights of all steps are
    appended to `recorded_weights`, unless it is None."""

    @staticmethod
    def forward(
        ctx: Any, lengths: Tensor, heads: Heads, recorded_weights: list[Tensor] | None, limit: float, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        inputs = Inputs(*tensors)
        tape = _run_forward(inputs, lengths, heads, keeps_memories=any(ctx.needs_input_grad))
        if recorded_weights is not None:
            recorded_weights.append(tape.weights[:, 1:].clone())
        ctx.tape, ctx.lengths, ctx.heads, ctx.limit = tape, lengths, heads, limit
        ctx.is_lstm = bool(inputs.cell.shape[1])
        ctx.save_for_backward(inputs.recurrent, inputs.head_weight)
        return _results(tape, lengths, ctx.is_lstm)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, grad_reads: Tensor, *grad_state: Tensor) -> tuple[Any, ...]:
        tape: Tape = ctx.tape
        heads: Heads = ctx.heads
        grad_memory, grad_weights, grad_last_reads, grad_hidden, grad_cell = grad_state
        gradients = Gradients(
            outputs=grad_outputs.contiguous(),
            read_outputs=grad_reads.contiguous(),
            gates=torch.zeros_like(tape.gates),
            instructions=torch.zeros_like(tape.instructions),
            controller_inputs=torch.cat([grad_last_reads, grad_hidden], dim=1),
            cells=grad_cell.clone(memory_format=torch.contiguous_format),
            memory=grad_memory.clone(memory_format=torch.contiguous_format),
            weights=grad_weights.clone(memory_format=torch.contiguous_format),
        )
        parameters = Parameters(*(_array(tensor) for tensor in ctx.saved_tensors))
        tape_arrays = Tape(*(tensor.numpy() for tensor in tape))
        gradient_arrays = Gradients(*(tensor.numpy() for tensor in gradients))
        lengths = ctx.lengths.numpy()

        def run_rows(first: int, last: int) -> None:
            backward(
                first, last, lengths, heads.shifts, heads.write, parameters, tape_arrays, gradient_arrays, ctx.limit
            )

        run_by_rows(len(lengths), run_rows)
        reads_size = tape.reads.shape[2]
        grad_recurrent = gradients.gates.flatten(0, 1).t() @ tape.controller_inputs.flatten(0, 1)
        grad_head_weight = gradients.instructions.flatten(0, 1).t() @ tape.hidden[:, 1:].flatten(0, 1)
        return (
            None, None, None, None, gradients.gates, gradients.memory, gradients.weights,
            gradients.controller_inputs[:, :reads_size], gradients.controller_inputs[:, reads_size:], gradients.cells,
            grad_recurrent, grad_head_weight, gradients.instructions.sum((0, 1)),
        )  # fmt: skip


def run_memory_recurrence(
    inputs: Inputs, lengths: Tensor, heads: Heads, recorded_weights: list[Tensor] | None, limit: float
) -> tuple[Tensor, ...]:
    """The results of `MemoryRecurrence`; without gradients, only the last memory is stored."""
    if torch.is_grad_enabled():
        return MemoryRecurrence.apply(lengths, heads, recorded_weights, limit, *inputs)  # type: ignore[no-untyped-call]
    tape = _run_forward(inputs, lengths, heads, keeps_memories=False)
    if recorded_weights is not None:
        recorded_weights.append(tape.weights[:, 1:].clone())
    return _results(tape, lengths, bool(inputs.cell.shape[1]))
