"""The gated recurrent unit (Cho et al. 2014), with its reset gate after or before the recurrent product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.nn.matrix_product import linear
from seqloom.nn.recurrence.cell import GatedCell, GatedSettings, cells
from seqloom.nn.recurrence.initialization import chrono_bias, input_matrix, recurrent_matrix
from seqloom.nn.recurrence.recurrent_layer import run_torch_kernel
from seqloom.nn.recurrence.types import States, Weights

if TYPE_CHECKING:
    from seqloom.nn.kernels.fused_recurrence import Kernel
    from seqloom.nn.recurrence.single_step import CompiledStep
    from seqloom.nn.recurrence.step_schedule import StepSchedule


class GRUSettings(GatedSettings):
    reset: Literal["after", "before"] = Field(
        "after",
        description="apply the reset gate after the recurrent product, as torch does, or before it, as in the paper",
    )
    time_scale: float = Field(
        0.0, ge=0, le=1e9, description="longest expected dependency, in steps, for chrono initialisation; 0: none"
    )


@cells.register("gru")
class GRU(GatedCell):
    """A gated recurrent unit: a reset gate and an update gate (Cho et al. 2014).

    The gates are in the order r, z, n.

    r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
    z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n))   reset after, as in cuDNN and torch
    n_t = tanh(W_n x_t + b_n + U_n (r_t * h_{t-1}))         reset before, Cho et al. 2014, equations 5 to 8
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    """

    settings = GRUSettings
    description = "A gated recurrent unit: gates reset and update its hidden state; smaller than an LSTM."
    source = "Cho et al. 2014"

    def __init__(self, input_size: int, settings: GRUSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.output_size, self.state_sizes = input_size, hidden, (hidden,)
        self.zoneout = (settings.zoneout,)
        self.recurrent_dropout, self.weight_dropout = settings.recurrent_dropout, settings.weight_dropout
        self.reset = settings.reset
        self.input_weight = input_matrix(3, hidden, input_size)
        self.recurrent_weight = recurrent_matrix(3, hidden, hidden)
        self.bias = nn.Parameter(torch.zeros(3 * hidden))
        if settings.time_scale > 2:
            self.bias.data[hidden : 2 * hidden] = chrono_bias(hidden, settings.time_scale)
        self.inner_bias = nn.Parameter(torch.zeros(hidden)) if settings.reset == "after" else None

    def weights(self) -> Weights:
        return self.recurrent_weight, self.bias, self.inner_bias

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:
        (hidden,), (recurrent, bias, inner_bias) = states, weights
        assert recurrent is not None
        assert bias is not None
        projected = projected + bias
        size = hidden.shape[1]
        recurrent_input = hidden if dropout_mask is None else hidden * dropout_mask
        if self.reset == "after":
            product = linear(recurrent_input, recurrent)
            r, z = torch.sigmoid(projected[:, : 2 * size] + product[:, : 2 * size]).chunk(2, dim=1)
            assert inner_bias is not None
            n = torch.tanh(projected[:, 2 * size :] + r * (product[:, 2 * size :] + inner_bias))
        else:
            gates = projected[:, : 2 * size] + linear(recurrent_input, recurrent[: 2 * size])
            r, z = torch.sigmoid(gates).chunk(2, dim=1)
            n = torch.tanh(projected[:, 2 * size :] + linear(r * recurrent_input, recurrent[2 * size :]))
        return (n + z * (hidden - n),)

    def kernel(self) -> type[Kernel]:
        from seqloom.nn.kernels.gru import ResetAfterKernel, ResetBeforeKernel

        return ResetAfterKernel if self.reset == "after" else ResetBeforeKernel

    def compiled_step(self) -> CompiledStep | None:
        if self.reset == "before":
            return None
        from seqloom.nn.kernels.gru import reset_after_step

        return reset_after_step

    def native_unsupported(self) -> str:
        return "" if self.reset == "after" else "torch's GRU applies its reset gate after the recurrent product only"

    def native(self, inputs: Tensor, schedule: StepSchedule, states: States, weights: Weights) -> tuple[Tensor, States]:
        assert weights[2] is not None
        parameters = [self.input_weight, weights[0], self.bias, F.pad(weights[2], (2 * self.output_size, 0))]
        return run_torch_kernel(torch._VF.gru, inputs, schedule, states, parameters)
