"""The contract of a recurrent cell: one step. Knows no cell by name, and not how steps are run over a sequence."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.matrix_product import linear
from seqloom.nn.recurrence.single_step import CompiledStep, fits, run_compiled
from seqloom.registry import Registry

if TYPE_CHECKING:
    from seqloom.nn.kernels.kernel import Kernel
    from seqloom.nn.recurrence.step_schedule import StepSchedule

Memories = tuple[Tensor, ...]
"""What a cell remembers: tensors (batch, size), the hidden state first."""

Weights = tuple[Tensor | None, ...]
"""What a cell multiplies its memories with."""


class CellSettings(Settings):
    hidden_size: int = Field(256, gt=0, le=2**16, description="numbers in the memory of one layer")


class GatedSettings(CellSettings):
    zoneout: float = Field(0.0, ge=0, lt=1, description="rate at which hidden states keep their former value")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="rate of variational dropout of what the recurrent weights see"
    )
    weight_dropout: float = Field(0.0, ge=0, lt=1, description="rate at which recurrent weights are dropped")


class Cell(nn.Module):
    """One step of a recurrence. A cell of your own needs no more than this: its sizes and a `forward`.

    `memory_sizes` are the widths of its memories and `output_size` that of its output; `zoneout` has a rate for each
    memory (Krueger et al. 2017), or is empty. A cell is built as `Cell(input_size, settings)`. `description`: what it
    is, in a sentence of at most 90 characters; `source`: the papers that introduced it.
    """

    settings: ClassVar[type[Settings]] = CellSettings
    description: ClassVar[str] = ""
    source: ClassVar[str] = ""

    input_size: int
    output_size: int
    memory_sizes: tuple[int, ...]
    zoneout: tuple[float, ...] = ()

    @abstractmethod
    def forward(
        self, element: Float[Tensor, "batch input"], memories: Memories
    ) -> tuple[Float[Tensor, "batch output"], Memories]:
        """The output of one step and the memories after it."""


class GatedCell(Cell):
    """A cell whose work on its inputs does not wait for its memory, so that it is done for all steps at once.

    `step` is its textbook definition on what `project` made of an element. It is all that a cell needs; one may have
    faster ways to do the same: a `kernel`, a `compiled_step`, or `whole`. The output is the hidden state, the first of
    the memories.
    """

    input_weight: nn.Parameter
    recurrent_dropout: float = 0.0
    weight_dropout: float = 0.0

    def project(self, inputs: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch gates"]:
        """The product with the inputs, in memory of its own: a kernel overwrites it."""
        return linear(inputs, self.input_weight)

    @abstractmethod
    def weights(self) -> Weights:
        """What `step` and the kernel need besides: the recurrent matrix (gates, hidden), the bias (gates), and the
        cell's own. What a cell has not, or has off, is None."""

    @abstractmethod
    def step(
        self,
        projected: Float[Tensor, "batch gates"],
        memories: Memories,
        weights: Weights,
        drop: Float[Tensor, "batch hidden"] | None = None,
    ) -> Memories:
        """The memories after one step. `drop` multiplies what the recurrent matrix sees of the hidden state."""

    def forward(
        self, element: Float[Tensor, "batch input"], memories: Memories
    ) -> tuple[Float[Tensor, "batch output"], Memories]:
        memories = self.step(self.project(element), memories, self.weights())
        return memories[0], memories

    def kernel(self) -> type[Kernel] | None:
        """The same over a whole sequence, for float32 and float64 on a CPU.

        Imported where it is asked for: numba is slow to import.
        """
        return None

    def compiled_step(self) -> CompiledStep | None:
        """The same for a single element, without gradients and noise; imported where it is asked for."""
        return None

    def online(self, element: Float[Tensor, "batch input"], memories: Memories) -> Memories:
        """The memories after one step, without gradients and noise: with as little around the step as there can be."""
        compiled = self.compiled_step() if fits(element, memories) else None
        if compiled is None:
            return self.step(self.project(element), memories, self.weights())
        return run_compiled(compiled, element, memories, (self.input_weight, *self.weights()))

    whole_is: ClassVar[str] = "torch's own kernel"
    """What `whole` runs, in words."""

    def whole_lacks(self) -> str:
        """What keeps `whole` from doing the same; empty where it does."""
        return f"torch has no {type(self).__name__}"

    def whole_outruns(self, precision: torch.dtype) -> str:  # noqa: ARG002
        """Why `whole` is to be preferred to the kernel on this CPU; empty where it is not."""
        return ""

    def whole(
        self, inputs: Float[Tensor, "batch time input"], order: StepSchedule, memories: Memories, weights: Weights
    ) -> tuple[Float[Tensor, "batch time output"], Memories]:
        """The same in one call, of torch's own kernel or of a parallel scan.

        `memories` (working, size) are those of the rows that have elements, in the order of the rows, and so are those
        that it gives back: each row's after its last element.
        """
        raise NotImplementedError(self.whole_lacks())


cells: Registry[type[Cell]] = Registry("cell", "seqloom.nn.cells")
