"""The Neural Turing Machine's kernels as one function of autograd over whole sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.kernels.ntm import backward, forward
from seqloom.nn.kernels.parallel_rows import over_rows
from seqloom.nn.ntm.addressing import Heads


class Given(NamedTuple):
    """What the recurrence goes over. `projected` (batch, time, gates): what the inputs and the bias give to the
    controller. `memory` (batch, width, locations), `weights` (batch, heads, locations), `reads` (batch, reads), and of
    an LSTM `hidden` and `cell` (batch, hidden) are the state before; of a feed-forward net the last two are (batch, 0).
    `recurrent` (gates, reads, or reads and hidden), `head_weight` (instructions, hidden), `head_bias`: parameters."""

    projected: Tensor
    memory: Tensor
    weights: Tensor
    reads: Tensor
    hidden: Tensor
    cell: Tensor
    recurrent: Tensor
    head_weight: Tensor
    head_bias: Tensor


class Left(NamedTuple):
    """What a pass left: with a place for each step and one before the first where it is a state, `memories` only where
    gradients are wanted (else the last alone)."""

    gates: Tensor
    said: Tensor
    seen: Tensor
    hidden: Tensor
    cells: Tensor
    reads: Tensor
    memories: Tensor
    weights: Tensor
    cosines: Tensor
    contents: Tensor
    moved: Tensor
    norms: Tensor


def _run(given: Given, lengths: Tensor, heads: Heads, keep: bool) -> Left:
    projected, (batch, time) = given.projected, given.projected.shape[:2]
    locations, hidden_size = given.memory.shape[2], given.head_weight.shape[1]
    new, zeros = projected.new_empty, projected.new_zeros
    per_head = (batch, time, heads.all, locations)
    left = Left(
        gates=projected.detach().clone(memory_format=torch.contiguous_format),
        said=given.head_bias.detach().repeat(batch, time, 1),
        seen=zeros(batch, time, given.recurrent.shape[1]),
        hidden=zeros(batch, time + 1, hidden_size),
        cells=zeros(batch, time + 1, given.cell.shape[1]),
        reads=zeros(batch, time + 1, given.reads.shape[1]),
        memories=new(batch, time + 1 if keep else 1, heads.width, locations),
        weights=zeros(batch, time + 1, heads.all, locations),
        cosines=new(per_head),
        contents=new(per_head),
        moved=new(per_head),
        norms=new(batch, time, locations),
    )
    states = (left.cells, given.cell), (left.reads, given.reads), (left.weights, given.weights)
    for buffer, before in (*states, (left.memories, given.memory)):
        buffer[:, 0] = before.detach()
    if given.hidden.shape[1]:
        left.hidden[:, 0] = given.hidden.detach()
    arrays = [tensor.detach().contiguous().numpy() for tensor in (given.recurrent, given.head_weight)]
    buffers = [tensor.numpy() for tensor in left]
    steps = lengths.numpy()

    def work(first: int, last: int) -> None:
        forward(first, last, steps, heads.shifts, heads.write, *arrays, *buffers)

    over_rows(batch, work)
    return left


def _given_out(left: Left, lengths: Tensor, is_lstm: bool) -> tuple[Tensor, ...]:
    """The hidden states and the reads of all steps, and the state after each row's last element: nothing of it shares
    the buffers, which a backward pass will read."""
    rows = torch.arange(len(lengths))
    memory = left.memories[rows, lengths if left.memories.shape[1] > 1 else torch.zeros_like(lengths)]
    ends = [left.weights[rows, lengths], left.reads[rows, lengths]]
    controller = [left.hidden[rows, lengths], left.cells[rows, lengths]] if is_lstm else [left.cells[:, 0]] * 2
    return left.hidden[:, 1:].clone(), left.reads[:, 1:].clone(), memory, *ends, *(part.clone() for part in controller)


class MemoryRecurrence(torch.autograd.Function):
    """Hidden states (batch, time, hidden) and reads (batch, time, reads), then memory, weights, reads, hidden and cell
    after each row's last element, by hand-written backward through time. In `given_to`, weights of all steps are left.
    """

    @staticmethod
    def forward(
        ctx: Any, lengths: Tensor, heads: Heads, weights_to: list[Tensor] | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        given = Given(*tensors)
        left = _run(given, lengths, heads, keep=any(ctx.needs_input_grad))
        if weights_to is not None:
            weights_to.append(left.weights[:, 1:].clone())
        ctx.left, ctx.lengths, ctx.heads = left, lengths, heads
        ctx.is_lstm = bool(given.cell.shape[1])
        ctx.save_for_backward(given.recurrent, given.head_weight)
        return _given_out(left, lengths, ctx.is_lstm)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, by_reads: Tensor, *by_state: Tensor) -> tuple[Any, ...]:
        left: Left = ctx.left
        heads: Heads = ctx.heads
        by_memory, by_weights, by_last_reads, by_hidden, by_cell = by_state
        parameters = [tensor.detach().contiguous() for tensor in ctx.saved_tensors]
        by_gates, by_said = torch.zeros_like(left.gates), torch.zeros_like(left.said)
        by_seen = torch.cat([by_last_reads, by_hidden], dim=1)
        carried = [
            by_seen,
            *(part.clone(memory_format=torch.contiguous_format) for part in (by_cell, by_memory, by_weights)),
        ]
        of_pass = [tensor for name, tensor in left._asdict().items() if name != "seen"]
        arrays = [
            tensor.numpy()
            for tensor in (
                *parameters,
                *of_pass,
                by_outputs.contiguous(),
                by_reads.contiguous(),
                by_gates,
                by_said,
                *carried,
            )
        ]
        steps = ctx.lengths.numpy()

        def work(first: int, last: int) -> None:
            backward(first, last, steps, heads.shifts, heads.write, *arrays)

        over_rows(len(steps), work)
        by_seen, by_cell, by_memory, by_weights = carried
        of_reads = left.reads.shape[2]
        by_recurrent = by_gates.flatten(0, 1).t() @ left.seen.flatten(0, 1)
        by_head_weight = by_said.flatten(0, 1).t() @ left.hidden[:, 1:].flatten(0, 1)
        return (
            None, None, None, by_gates, by_memory, by_weights, by_seen[:, :of_reads], by_seen[:, of_reads:], by_cell,
            by_recurrent, by_head_weight, by_said.sum((0, 1)),
        )  # fmt: skip


def recur(given: Given, lengths: Tensor, heads: Heads, weights_to: list[Tensor] | None) -> tuple[Tensor, ...]:
    """What `MemoryRecurrence` gives."""
    if torch.is_grad_enabled():
        return MemoryRecurrence.apply(lengths, heads, weights_to, *given)  # type: ignore[no-untyped-call]
    left = _run(given, lengths, heads, keep=False)
    if weights_to is not None:
        weights_to.append(left.weights[:, 1:].clone())
    return _given_out(left, lengths, bool(given.cell.shape[1]))
