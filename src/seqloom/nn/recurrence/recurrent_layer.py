"""One recurrent layer: any cell along a sequence, forward or backward in time, on the fastest path that does the same.

Three paths. *whole*: one call, of torch's own kernel or of a parallel scan. *fused*: the project's kernels, with a
hand-written backward pass. *unrolled*: the cell's own step in a loop, for any cell, device and precision. This file
says which is taken; `backends` has them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.nn.recurrence import backends
from seqloom.nn.recurrence.cell import Cell, GatedCell, Memories, Weights
from seqloom.nn.recurrence.gradient_norms import Recorded
from seqloom.nn.recurrence.noise import Noise
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.step_schedule import StepSchedule

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
        if inputs.device.type == "cpu":
            return _path_on_cpu(cell, lacks, inputs.dtype, lengths)
        if lacks:
            return Path("unrolled", f"the fused kernels are for the CPU, and {lacks}")
        return Path("whole", f"one call of {cell.whole_is}")

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
        order = StepSchedule(inputs.shape[0], inputs.shape[1], lengths, self.runs_backward, inputs.device)
        if not order.elements:
            return inputs.new_zeros(order.batch, order.time, cell.output_size), memories
        along = PassContext(order, Noise.draw(cell, order, memories), self.new_norms(order, len(memories)))
        if not isinstance(cell, GatedCell):
            return backends.stepped(cell, inputs, memories, along)
        run = {"whole": backends.whole, "fused": backends.fused, "unrolled": backends.unrolled}[path]
        return run(cell, self._weights(cell), inputs, memories, along)

    def _plain_step(self, cell: Cell) -> TypeGuard[GatedCell]:
        """Whether a single step is nothing but the cell's: online, all else would take longer than the step itself."""
        if self.training or self.forced or torch.is_grad_enabled() or any(cell.zoneout):
            return False
        return isinstance(cell, GatedCell)

    def _weights(self, cell: GatedCell) -> Weights:
        weights = cell.weights()
        if not self.training or not cell.weight_dropout or weights[0] is None:
            return weights
        return F.dropout(weights[0], cell.weight_dropout), *weights[1:]  # Merity et al. 2018, section 2


def _path_on_cpu(cell: GatedCell, whole_lacks: str, dtype: torch.dtype, lengths: Tensor | None) -> Path:
    precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else dtype
    outruns = "" if whole_lacks else cell.whole_outruns(precision)
    if outruns and lengths is None:
        return Path("whole", outruns)
    if cell.kernel() is None:
        return Path("unrolled", "it has no kernel") if whole_lacks else Path("whole", f"one call of {cell.whole_is}")
    if outruns:
        return Path("fused", f"{cell.whole_is} is slow with rows of unequal length")
    return Path("fused", whole_lacks or f"faster on a CPU than {cell.whole_is}")
