"""One recurrent layer: any cell along a sequence, forward or backward in time, on the fastest path that does the same.

Three paths. *whole*: one call, of torch's own kernel or of a parallel scan. *fused*: the project's kernels, with a
hand-written backward pass. *unrolled*: the cell's own step in a loop, for any cell, device and precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.nn.cell import Cell, GatedCell, Memories, Weights
from seqloom.nn.gradient_record import Norms, Recorded
from seqloom.nn.noise import Noise
from seqloom.nn.order import Order

PathName = Literal["whole", "fused", "unrolled"]


class Path(NamedTuple):
    """How a layer runs, and why: what keeps it off a faster path, or what makes this one the fastest."""

    name: PathName
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class RecurrentLayer(Recorded):
    """`cell` along a sequence. Its first memories are parameters, or zeros."""

    def __init__(self, cell: Cell, learned_start: bool = True, backward: bool = False) -> None:
        super().__init__()
        self.cell, self.runs_backward, self.output_size = cell, backward, cell.output_size
        self.forced: PathName | None = None
        for number, size in enumerate(cell.memory_sizes):
            zeros = torch.zeros(size)
            if learned_start:
                self.register_parameter(f"start_{number}", nn.Parameter(zeros))
            else:
                self.register_buffer(f"start_{number}", zeros, persistent=False)

    def first_memories(self, batch_size: int) -> Memories:
        numbers = range(len(self.cell.memory_sizes))
        return tuple(getattr(self, f"start_{number}").expand(batch_size, -1) for number in numbers)

    def path(self, inputs: Tensor, lengths: Tensor | None = None) -> Path:
        """The path that `inputs` (batch, time, input) would take now."""
        cell = self.cell
        if not isinstance(cell, GatedCell):
            return Path("unrolled", f"{type(cell).__name__} has a step and no more")
        if self.forced is not None:
            return Path(self.forced, "asked for")
        lacks = self._whole_lacks(cell)
        if inputs.device.type != "cpu":
            if not lacks:
                return Path("whole", "one call of the device's own kernel")
            return Path("unrolled", f"the fused kernels are for the CPU, and {lacks}")
        if lengths is not None:
            lacks = lacks or "torch's own kernel is slow with rows of unequal length"
        return Path("fused", lacks) if lacks else self._fastest_on_cpu(cell, inputs)

    def _fastest_on_cpu(self, cell: GatedCell, inputs: Tensor) -> Path:
        from seqloom.nn.cells.lstm import LSTM

        if torch.is_autocast_enabled("cpu") or inputs.dtype in (torch.bfloat16, torch.float16):
            if isinstance(cell, LSTM) and torch.ops.mkldnn._is_mkldnn_bf16_supported():
                return Path("whole", "torch's LSTM multiplies bfloat16 on this processor")
            return Path("fused", "half precision in the products with the inputs, float32 along the recurrence")
        if isinstance(cell, LSTM) and inputs.dtype == torch.float32:
            return Path("whole", "torch's LSTM is as fast, and faster where weights outgrow a core's cache")
        return Path("fused", "faster here than torch's own kernel")

    def _whole_lacks(self, cell: GatedCell) -> str:
        """What keeps the layer from running in one call; empty where nothing does."""
        if self.training and cell.recurrent_dropout:
            return "dropout of the recurrence is in no one call"
        if any(cell.zoneout):
            return "zoneout is in no one call"
        if self.passes is not None:
            return "gradients are recorded"
        return cell.whole_lacks()

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        memories: Memories,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], Memories]:
        """The outputs, zero in padding, and the memories after each row's last element (its first, backward)."""
        cell: Cell = self.cell
        if inputs.shape[1] == 1 and lengths is None and self._plain_step(cell):
            memories = cell.online(inputs[:, 0], memories)
            return memories[0][:, None], memories
        path = self.path(inputs, lengths).name
        order = Order(inputs.shape[0], inputs.shape[1], lengths, self.runs_backward, inputs.device)
        if not order.elements:
            return inputs.new_zeros(order.batch, order.time, self.cell.output_size), memories
        dropout = getattr(self.cell, "recurrent_dropout", 0.0)
        noise = Noise.draw(order, memories, dropout, self.cell.zoneout, self.training)
        norms = self.new_norms(order, len(memories))
        if not isinstance(self.cell, GatedCell):
            outputs, memories = _stepped(self.cell, order.take(inputs), memories, order, noise, norms)
            return order.put(outputs), memories
        weights, elements = self._weights(self.cell), order.take(inputs)
        if path == "fused":
            return _fused(self.cell, weights, elements, memories, order, noise, norms)
        if path == "whole":
            outputs, memories = _whole(self.cell, weights, elements, memories, order)
        else:
            outputs, memories = _unrolled(self.cell, weights, elements, memories, order, noise, norms)
        return order.put(outputs), memories

    def _plain_step(self, cell: Cell) -> TypeGuard[GatedCell]:
        """Whether a single step is nothing but the cell's: online, all else would take longer than the step itself."""
        if self.training or self.forced or torch.is_grad_enabled() or any(cell.zoneout):
            return False
        return isinstance(cell, GatedCell)

    def _weights(self, cell: GatedCell) -> Weights:
        recurrent, *others = cell.weights()
        if recurrent is not None and self.training and cell.weight_dropout:  # Merity et al. 2018, section 2
            recurrent = F.dropout(recurrent, cell.weight_dropout)
        return recurrent, *others


def _whole(
    cell: GatedCell, weights: Weights, elements: Tensor, memories: Memories, order: Order
) -> tuple[Tensor, Memories]:
    outputs, last = cell.whole(elements, order, tuple(order.first(memory) for memory in memories), weights)
    return outputs, tuple(order.back(memory, after) for memory, after in zip(memories, last, strict=True))


def _fused(
    cell: GatedCell,
    weights: Weights,
    elements: Tensor,
    memories: Memories,
    order: Order,
    noise: Noise,
    norms: Norms | None,
) -> tuple[Tensor, Memories]:
    """The outputs laid out (batch, time, output)."""
    from seqloom.nn.kernels.kernel import Along, FusedRecurrence, last_memories, run_forward

    projected, dtype = cell.project(elements), memories[0].dtype
    wide = torch.float64 if projected.dtype == torch.float64 else torch.float32
    if dtype != wide or projected.dtype != wide:
        projected, noise = projected.to(wide), noise.to(wide)
        memories = tuple(memory.to(wide) for memory in memories)
        weights = tuple(None if weight is None else weight.to(wide) for weight in weights)
    kind, along = cell.kernel(), Along(order, noise, norms)
    if torch.is_grad_enabled():
        outputs, *last = FusedRecurrence.apply(  # type: ignore[no-untyped-call]
            kind, along, projected, len(memories), *memories, *weights
        )
    else:
        kernel = run_forward(kind, along, projected, memories, weights)
        outputs, last = order.laid_out(kernel.hidden[order.working :]), last_memories(kernel, memories)
    return (outputs, tuple(last)) if dtype == wide else (outputs.to(dtype), tuple(memory.to(dtype) for memory in last))


def _unrolled(
    cell: GatedCell,
    weights: Weights,
    elements: Tensor,
    memories: Memories,
    order: Order,
    noise: Noise,
    norms: Norms | None,
) -> tuple[Tensor, Memories]:
    """The outputs are the hidden states."""

    def step(element: Tensor, before: Memories) -> tuple[None, Memories]:
        drop = None if noise.drop is None else noise.drop[: len(element)]
        return None, cell.step(element, before, weights, drop)

    after, last, _ = _loop(step, cell.project(elements), memories, order, noise, norms)
    return after[0], last


def _stepped(
    cell: Cell, elements: Tensor, memories: Memories, order: Order, noise: Noise, norms: Norms | None
) -> tuple[Tensor, Memories]:
    """The outputs are what the cell gives out."""
    _, last, outputs = _loop(cell, elements, memories, order, noise, norms)
    return torch.cat(outputs), last


def _loop(
    one: Callable[[Tensor, Memories], tuple[Tensor | None, Memories]],
    elements: Tensor,
    memories: Memories,
    order: Order,
    noise: Noise,
    norms: Norms | None,
) -> tuple[Memories, Memories, list[Tensor]]:
    """The memories after all steps, those after each row's last, and what `one` gives out at each step."""
    now = tuple(order.first(memory) for memory in memories)
    passed: list[Memories] = []
    outputs: list[Tensor] = []
    for step, element in zip(order.steps, elements.split_with_sizes(order.sizes), strict=True):
        before = tuple(memory[: step.rows] for memory in now)
        output, after = one(element, before)
        now = noise.kept(step, before, after)
        if norms is not None:
            norms.watch(step, now)
        passed.append(now)
        if output is not None:
            outputs.append(output)
    after_all = tuple(torch.cat(parts) for parts in zip(*passed, strict=True))
    pairs = zip(memories, after_all, strict=True)
    return after_all, tuple(order.back(memory, order.at_last(after)) for memory, after in pairs), outputs
