"""The contract of a recurrent cell: one step of a recurrence. Running the steps along a sequence is the layer's
work."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.matrix_product import linear
from seqloom.nn.recurrence.single_step import CompiledStep, is_supported, run_compiled
from seqloom.nn.recurrence.types import States, Weights
from seqloom.registry import Registry

if TYPE_CHECKING:
    from seqloom.nn.kernels.fused_recurrence import Kernel
    from seqloom.nn.recurrence.step_schedule import StepSchedule


class CellSettings(Settings):
    size_settings: ClassVar = ("hidden_size",)

    hidden_size: int = Field(256, gt=0, le=2**16, description="dimension of the hidden state of a layer")


class GatedSettings(CellSettings):
    zoneout: float = Field(0.0, ge=0, lt=1, description="rate of zoneout: a hidden state keeps its previous value")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="rate of variational dropout on the hidden state before the recurrent matrix"
    )
    weight_dropout: float = Field(0.0, ge=0, lt=1, description="rate of dropout on the recurrent weights")


class Cell(nn.Module):
    """One step of a recurrence. A cell of your own needs its sizes and a `forward`, and nothing else.

    `state_sizes` are the dimensions of its states and `output_size` that of its output; `zoneout` has a rate for each
    state (Krueger et al. 2017), or is empty. A cell is built as `Cell(input_size, settings)`. `description`: what it
    is, in a sentence of at most 90 characters; `source`: the papers that introduced it.
    """

    settings: ClassVar[type[Settings]] = CellSettings
    description: ClassVar[str] = ""
    source: ClassVar[str] = ""

    input_size: int
    output_size: int
    state_sizes: tuple[int, ...]
    zoneout: tuple[float, ...] = ()

    @abstractmethod
    def forward(
        self, element: Float[Tensor, "batch input"], states: States
    ) -> tuple[Float[Tensor, "batch output"], States]:
        """The output of one step and the states after it."""


class GatedCell(Cell):
    """A cell whose product with the inputs does not depend on its states, so that it is computed for all steps at once.

    `step` is the definition of the cell, applied to what `project` returns for an element. It is all that a cell needs.
    A cell may offer faster ways to compute the same: a `kernel`, a `compiled_step` or `native`. Its output is its
    hidden state, the first of its states."""

    input_weight: nn.Parameter
    recurrent_dropout: float = 0.0
    weight_dropout: float = 0.0

    def project(self, inputs: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch gates"]:
        """The product with the inputs, as a new tensor: a kernel overwrites it."""
        return linear(inputs, self.input_weight)

    @abstractmethod
    def weights(self) -> Weights:
        """What `step` and the kernel need besides the projected inputs: the recurrent matrix (gates, hidden), the bias
        (gates), and further weights of the cell; None for a weight that the cell does not have or does not use."""

    @abstractmethod
    def step(
        self,
        projected: Float[Tensor, "batch gates"],
        states: States,
        weights: Weights,
        dropout_mask: Float[Tensor, "batch hidden"] | None = None,
    ) -> States:
        """The states after one step. The hidden state is multiplied by `dropout_mask` before the recurrent matrix."""

    def forward(
        self, element: Float[Tensor, "batch input"], states: States
    ) -> tuple[Float[Tensor, "batch output"], States]:
        states = self.step(self.project(element), states, self.weights())
        return states[0], states

    def kernel(self) -> type[Kernel] | None:
        """A fused kernel for whole sequences in float32 and float64 on a CPU, or None.

        Import it inside this method: numba is slow to import.
        """
        return None

    def compiled_step(self) -> CompiledStep | None:
        """A compiled function for a single element, without gradients and noise, or None. Import it inside this
        method."""
        return None

    def inference_step(self, element: Float[Tensor, "batch input"], states: States) -> States:
        """The states after one step, without gradients and noise, with as little overhead as possible."""
        compiled = self.compiled_step() if is_supported(element, states) else None
        if compiled is None:
            return self.step(self.project(element), states, self.weights())
        return run_compiled(compiled, element, states, (self.input_weight, *self.weights()))

    native_name: ClassVar[str] = "torch's own kernel"
    """What `native` calls, in words."""

    def native_unsupported(self) -> str:
        """Why `native` cannot compute this cell; empty if it can."""
        return f"torch has no {type(self).__name__}"

    def native_preferred(self, precision: torch.dtype) -> str:  # noqa: ARG002
        """Why `native` is faster than the fused kernel on this CPU; empty if it is not."""
        return ""

    def native(
        self, inputs: Float[Tensor, "batch time input"], schedule: StepSchedule, states: States, weights: Weights
    ) -> tuple[Float[Tensor, "batch time output"], States]:
        """The whole sequence in one call of torch's own kernel or of a parallel scan.

        `states` (active, size) are those of the active rows in the order of the schedule. So are the states that it
        returns: each row's states after its last element.
        """
        raise NotImplementedError(self.native_unsupported())


cells: Registry[type[Cell]] = Registry("cell", "seqloom.nn.cells")
