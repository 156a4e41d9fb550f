"""RNN, LSTM and GRU on torch's own kernels, stacked, with exact states for rows of unequal length.

A stack is one torch module a depth, so that variational dropout stands between them and the plain LSTM keeps to
oneDNN's fast path, which packed sequences and multi-layer dropout leave.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State, last_real, layers, without_padding


class RecurrentSettings(Settings):
    hidden_size: int = Field(256, gt=0, le=2**16, description="numbers in the memory of one layer")
    num_layers: int = Field(2, gt=0, le=64, description="layers stacked")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of variational dropout between layers")
    weight_dropout: float = Field(0.0, ge=0, lt=1, description="rate at which recurrent weights are dropped")
    initial_state: Literal["learned", "zeros"] = Field("learned", description="the memory before the first element")


class Recurrent(SequenceLayer):
    """A stack of torch's one-layer modules. The state holds (batch, num_layers, hidden) tensors, one for each kind of
    memory the cell has (h; and c for an LSTM)."""

    settings = RecurrentSettings
    module: type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]
    num_memories = 1

    def __init__(self, input_size: int, settings: RecurrentSettings) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, settings.hidden_size
        self.hidden_size, self.num_layers = settings.hidden_size, settings.num_layers
        self.weight_dropout = settings.weight_dropout
        sizes = [input_size] + [settings.hidden_size] * (settings.num_layers - 1)
        self.stack = nn.ModuleList(self.module(size, settings.hidden_size, batch_first=True) for size in sizes)
        self.between = VariationalDropout(settings.dropout)
        start = torch.zeros(self.num_memories, settings.num_layers, settings.hidden_size)
        if settings.initial_state == "learned":
            self.start: Tensor = nn.Parameter(start)
        else:
            self.register_buffer("start", start)
        for module in self.stack:
            self._initialise(module)

    def _initialise(self, module: nn.Module) -> None:
        """Orthogonal recurrent weights a gate, Glorot input weights a gate, no bias."""
        hidden = self.hidden_size
        for name, weight in module.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
                continue
            for gate in torch.split(weight.data, hidden):
                nn.init.orthogonal_(gate) if name.startswith("weight_hh") else nn.init.xavier_uniform_(gate)

    def initial_state(self, batch_size: int) -> State:
        return tuple(part.expand(batch_size, -1, -1) for part in self.start)

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        state = self.initial_state(inputs.shape[0]) if state is None else state
        sequence, after = without_padding(inputs, lengths), []
        for depth, module in enumerate(self.stack):
            if depth:
                sequence = self.between(sequence)
            before = tuple(part[:, depth].unsqueeze(0).contiguous() for part in state)
            sequence, last = self._run(self._weights(module), sequence, before, lengths)
            after.append(last)
        return sequence, tuple(torch.stack(parts, dim=1) for parts in zip(*after, strict=True))

    def _weights(self, module: nn.Module) -> list[Tensor]:
        weights: list[Tensor] = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0]  # type: ignore[list-item]
        if self.training and self.weight_dropout:  # Merity et al. 2018, section 2
            weights[1] = F.dropout(weights[1], self.weight_dropout)
        return weights

    def _run(
        self, weights: list[Tensor], sequence: Tensor, before: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer over the sequence: its outputs (batch, time, hidden) and its memories (batch, hidden) after each
        row's last element."""
        outputs, _ = self._kernel(sequence, before[0], weights)
        return outputs, (last_real(outputs, lengths, before[0][0]),)

    def _kernel(self, sequence: Tensor, hidden: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


@layers.register("rnn")
class RNN(Recurrent):
    """Elman 1990: h_t = tanh(W x_t + U h_{t-1} + b)."""

    module = nn.RNN

    def _kernel(self, sequence: Tensor, hidden: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        return torch._VF.rnn_tanh(sequence, hidden, weights, True, 1, 0.0, self.training, False, True)


@layers.register("gru")
class GRU(Recurrent):
    """Cho et al. 2014, with the reset gate after the recurrent product, as in cuDNN and torch:

    r = sigmoid(W_r x + U_r h + b_r); z = sigmoid(W_z x + U_z h + b_z);
    n = tanh(W_n x + b_n + r * (U_n h + c_n)); h' = (1 - z) * n + z * h.
    """

    module = nn.GRU

    def _kernel(self, sequence: Tensor, hidden: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        return torch._VF.gru(sequence, hidden, weights, True, 1, 0.0, self.training, False, True)


@layers.register("lstm")
class LSTM(Recurrent):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000:

    i, f, o = sigmoid(W x + U h + b); g = tanh(W_g x + U_g h + b_g); c' = f * c + i * g; h' = o * tanh(c').
    The forget gate's bias starts at 1 (Jozefowicz et al. 2015).
    """

    module = nn.LSTM
    num_memories = 2

    def _initialise(self, module: nn.Module) -> None:
        super()._initialise(module)
        with torch.no_grad():
            module.bias_ih_l0[self.hidden_size : 2 * self.hidden_size] = 1.0  # type: ignore[operator]

    def _run(
        self, weights: list[Tensor], sequence: Tensor, before: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if lengths is not None:
            sequence, weights = self._frozen_after(sequence, weights, lengths)
        outputs, _, cell = torch._VF.lstm(sequence, before, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (last_real(outputs, lengths, before[0][0]), cell[0])

    def _frozen_after(self, sequence: Tensor, weights: list[Tensor], lengths: Tensor) -> tuple[Tensor, list[Tensor]]:
        """One more input, 1 at padding, whose weights shut the input gate and open the forget gate: c' = 1 * c + 0 * g.

        So the kernel's last cell state is that of each row's own last element, exactly, on the fast path.
        """
        padding = torch.arange(sequence.shape[1], device=sequence.device) >= lengths[:, None]
        shut = sequence.new_zeros(4 * self.hidden_size, 1)
        shut[: self.hidden_size] = -1e4
        shut[self.hidden_size : 2 * self.hidden_size] = 1e4
        sequence = torch.cat([sequence, padding[:, :, None].to(sequence.dtype)], dim=2)
        return sequence, [torch.cat([weights[0], shut], dim=1), *weights[1:]]
