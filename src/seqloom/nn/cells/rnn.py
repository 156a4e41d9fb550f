"""The simple recurrent network (Elman 1990)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from seqloom.nn.matrix_product import linear
from seqloom.nn.recurrence.cell import GatedCell, GatedSettings, cells
from seqloom.nn.recurrence.initialization import input_matrix, recurrent_matrix
from seqloom.nn.recurrence.recurrent_layer import run_torch_kernel
from seqloom.nn.recurrence.types import States, Weights

if TYPE_CHECKING:
    from seqloom.nn.kernels.fused_recurrence import Kernel
    from seqloom.nn.recurrence.single_step import CompiledStep
    from seqloom.nn.recurrence.step_schedule import StepSchedule


class RNNSettings(GatedSettings):
    activation: Literal["tanh", "relu"] = Field("tanh", description="activation function of the hidden state")


@cells.register("rnn")
class RNN(GatedCell):
    """A simple recurrent network: the hidden state is fed back into itself (Elman 1990).

    h_t = tanh(W x_t + U h_{t-1} + b), or relu instead of tanh.

    With relu, the recurrent matrix is initialised with the identity (Le et al. 2015).
    """

    settings = RNNSettings
    description = "A simple recurrent network: each hidden state depends on the input and the last one."
    source = "Elman 1990"

    def __init__(self, input_size: int, settings: RNNSettings) -> None:
        super().__init__()
        hidden = settings.hidden_size
        self.input_size, self.output_size, self.state_sizes = input_size, hidden, (hidden,)
        self.zoneout = (settings.zoneout,)
        self.recurrent_dropout, self.weight_dropout = settings.recurrent_dropout, settings.weight_dropout
        self.activation = settings.activation
        self.input_weight = input_matrix(1, hidden, input_size)
        relu = settings.activation == "relu"
        self.recurrent_weight = nn.Parameter(torch.eye(hidden)) if relu else recurrent_matrix(1, hidden, hidden)
        self.bias = nn.Parameter(torch.zeros(hidden))

    def weights(self) -> Weights:
        return self.recurrent_weight, self.bias

    def step(self, projected: Tensor, states: States, weights: Weights, dropout_mask: Tensor | None = None) -> States:
        (hidden,), (recurrent, bias) = states, weights
        assert recurrent is not None
        preactivation = projected + linear(hidden if dropout_mask is None else hidden * dropout_mask, recurrent, bias)
        return (torch.tanh(preactivation) if self.activation == "tanh" else torch.relu(preactivation),)

    def kernel(self) -> type[Kernel]:
        from seqloom.nn.kernels.rnn import ReluKernel, TanhKernel

        return TanhKernel if self.activation == "tanh" else ReluKernel

    def compiled_step(self) -> CompiledStep | None:
        if self.activation == "relu":
            return None
        from seqloom.nn.kernels.rnn import tanh_step

        return tanh_step

    def native_unsupported(self) -> str:
        return ""

    def native(self, inputs: Tensor, schedule: StepSchedule, states: States, weights: Weights) -> tuple[Tensor, States]:
        kernel = torch._VF.rnn_tanh if self.activation == "tanh" else torch._VF.rnn_relu
        parameters = [self.input_weight, weights[0], self.bias, torch.zeros_like(self.bias)]
        return run_torch_kernel(kernel, inputs, schedule, states, parameters)
