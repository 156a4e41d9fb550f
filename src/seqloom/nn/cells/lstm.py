"""Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000), and its variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


_LARGE_MATRIX = 2**20
"""A recurrent matrix of so many numbers does not fit in a core's cache in bfloat16 beside the others that torch's LSTM
packs; from there on, our kernel takes two thirds to four fifths of its time (LOG.md)."""


class LSTMSettings(GatedSettings):
    zoneout_cell: float = Field(0.0, ge=0, lt=1, description="rate of zoneout: a cell state keeps its previous value")
    peephole: bool = Field(False, description="peephole connections: the gates also read the cell state")
    layer_norm: bool = Field(False, description="layer normalisation of the gates and of the cell state")
    coupled: bool = Field(False, description="couple the input and forget gates: f = 1 - i")
    projection: int = Field(0, ge=0, le=2**16, description="dimension of the projected hidden state; 0: no projection")
    forget_bias: float = Field(1.0, ge=-100, le=100, description="initial bias of the forget gate")
    time_scale: float = Field(
        0.0, ge=0, le=1e9, description="longest expected dependency, in steps, for chrono initialisation; 0: none"
    )


@cells.register("lstm")
class LSTM(GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with the forget gate of Gers et al. 2000.

    The gates are in the order i, f, g, o; i, g, o where they are coupled.

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)
    h_t = o_t * tanh(c_t)

    peephole: p_i * c_{t-1}, p_f * c_{t-1} and p_o * c_t are added before the sigmoids (Gers et al. 2002, section 3).
    layer_norm: LN(W x_t) + LN(U h_{t-1}) + b over all gates together, and h_t = o_t * tanh(LN(c_t)) (Ba et al. 2016,
    equations 20 to 22).
    coupled: f_t = 1 - i_t (Greff et al. 2017, CIFG).
    projection: h_t = P (o_t * tanh(c_t)) (Sak et al. 2014, equation 6).
    The forget gate's bias starts at 1 (Jozefowicz et al. 2015), or with a time scale T at log(uniform(1, T - 1)), and
    the input gate's at its negative (Tallec and Ollivier 2018, equation 16).
    """

    settings = LSTMSettings
    description = "Long short-term memory: gates write, forget and read a cell state over long distances."
    source = "Hochreiter and Schmidhuber 1997; Gers et al. 2000"

    def __init__(self, input_size: int, settings: LSTMSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.hidden_size = input_size, hidden
        self.output_size = settings.projection or hidden
        self.state_sizes = (self.output_size, hidden)
        self.zoneout = (settings.zoneout, settings.zoneout_cell)
        self.recurrent_dropout, self.weight_dropout = settings.recurrent_dropout, settings.weight_dropout
        self.coupled = settings.coupled
        gates = 3 if settings.coupled else 4
        self.input_weight = input_matrix(gates, hidden, input_size)
        self.recurrent_weight = recurrent_matrix(gates, hidden, self.output_size)
        self.bias = nn.Parameter(self._initial_bias(settings))
        self.peepholes = nn.Parameter(torch.zeros(gates - 1, hidden)) if settings.peephole else None
        self.input_gain = self.recurrent_gain = self.cell_gain = self.cell_bias = None
        if settings.layer_norm:
            self.input_gain, self.recurrent_gain = (nn.Parameter(torch.ones(gates * hidden)) for _ in range(2))
            self.cell_gain, self.cell_bias = nn.Parameter(torch.ones(hidden)), nn.Parameter(torch.zeros(hidden))
        self.projection = recurrent_matrix(1, settings.projection, hidden) if settings.projection else None

    @staticmethod
    def _initial_bias(settings: LSTMSettings) -> Tensor:
        hidden = settings.hidden_size
        bias = torch.zeros(3 if settings.coupled else 4, hidden)
        chrono = settings.time_scale > 2
        forget = chrono_bias(hidden, settings.time_scale) if chrono else torch.full((hidden,), settings.forget_bias)
        if chrono or settings.coupled:
            bias[0] = -forget
        if not settings.coupled:
            bias[1] = forget
        return bias.flatten()

    def project(self, inputs: Tensor) -> Tensor:
        product = super().project(inputs)
        return product if self.input_gain is None else F.layer_norm(product, product.shape[-1:], self.input_gain)

    def weights(self) -> Weights:
        gains = self.recurrent_gain, self.cell_gain, self.cell_bias
        return self.recurrent_weight, self.bias, self.peepholes, *gains, self.projection

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:
        hidden, cell = states
        recurrent, bias, peepholes, recurrent_gain, cell_gain, cell_bias, projection = weights
        assert recurrent is not None
        assert bias is not None
        product = linear(hidden if dropout_mask is None else hidden * dropout_mask, recurrent)
        if recurrent_gain is not None:
            product = F.layer_norm(product, product.shape[-1:], recurrent_gain)
        size = cell.shape[1]
        preactivation, preactivation_g, preactivation_o = (projected + product + bias).tensor_split(
            (-2 * size, -size), dim=1
        )
        if peepholes is not None:
            preactivation = preactivation + (peepholes[:-1, None] * cell).transpose(0, 1).flatten(1)
        i, f = self._input_and_forget(torch.sigmoid(preactivation))
        cell = f * cell + i * torch.tanh(preactivation_g)
        o = torch.sigmoid(preactivation_o if peepholes is None else preactivation_o + peepholes[-1] * cell)
        normalised = cell if cell_gain is None else F.layer_norm(cell, cell.shape[-1:], cell_gain, cell_bias)
        hidden = o * torch.tanh(normalised)
        return (hidden if projection is None else linear(hidden, projection)), cell

    def _input_and_forget(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        if self.coupled:
            return gates, 1 - gates
        i, f = gates.chunk(2, dim=1)
        return i, f

    def kernel(self) -> type[Kernel]:
        from seqloom.nn.kernels.lstm import LSTMKernel
        from seqloom.nn.kernels.normalised_lstm import NormalisedLSTMKernel

        return LSTMKernel if self.recurrent_gain is None else NormalisedLSTMKernel

    def compiled_step(self) -> CompiledStep | None:
        if self.projection is not None or self.recurrent_gain is not None:
            return None
        from seqloom.nn.kernels.lstm import lstm_step

        return lstm_step

    def native_unsupported(self) -> str:
        options = {
            "peephole connections": self.peepholes,
            "layer normalisation": self.recurrent_gain,
            "a projection": self.projection,
            "coupled gates": self.coupled or None,
        }
        used = [name for name, value in options.items() if value is not None]
        return f"torch's fast LSTM has no {' and no '.join(used)}" if used else ""

    def native_preferred(self, precision: torch.dtype) -> str:
        if precision == torch.float32:
            return "torch's LSTM is as fast, and faster where the weights do not fit in a core's cache"
        small = self.recurrent_weight.numel() < _LARGE_MATRIX
        if small and precision in (torch.bfloat16, torch.float16) and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return "torch's LSTM is faster in bfloat16 where the weights fit in a core's cache"
        return ""

    def native(self, inputs: Tensor, schedule: StepSchedule, states: States, weights: Weights) -> tuple[Tensor, States]:
        parameters = [self.input_weight, weights[0], self.bias, torch.zeros_like(self.bias)]
        return run_torch_kernel(torch._VF.lstm, inputs, schedule, states, parameters)
