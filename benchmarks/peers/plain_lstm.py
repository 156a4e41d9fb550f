"""An LSTM and its variants as one writes them in plain torch: a loop over the steps, autograd for the rest."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Variant = Literal["plain", "layer norm", "peephole", "zoneout"]


class PlainLSTM(nn.Module):
    """Its products with the inputs are made step by step, as in torch.nn.LSTMCell, or for all steps before the loop."""

    def __init__(self, input_size: int, hidden_size: int, variant: Variant, hoisted: bool, rate: float = 0.1) -> None:
        super().__init__()
        self.variant, self.hoisted, self.rate, self.hidden_size = variant, hoisted, rate, hidden_size
        scale = hidden_size**-0.5
        self.weight = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-scale, scale))
        self.recurrent = nn.Parameter(torch.empty(4 * hidden_size, hidden_size).uniform_(-scale, scale))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        if variant == "layer norm":
            self.input_norm = nn.LayerNorm(4 * hidden_size)
            self.recurrent_norm = nn.LayerNorm(4 * hidden_size, bias=False)
            self.cell_norm = nn.LayerNorm(hidden_size)
        if variant == "peephole":
            self.peepholes = nn.Parameter(torch.zeros(3, hidden_size))

    def from_inputs(self, inputs: Tensor) -> Tensor:
        if self.variant == "layer norm":
            return self.input_norm(F.linear(inputs, self.weight))
        return F.linear(inputs, self.weight, self.bias)

    def step(self, gates: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        product = F.linear(hidden, self.recurrent)
        if self.variant == "layer norm":
            product = self.recurrent_norm(product)
        i, f, g, o = (gates + product).chunk(4, dim=1)
        if self.variant == "peephole":
            i, f = i + self.peepholes[0] * cell, f + self.peepholes[1] * cell
        new_cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        if self.variant == "peephole":
            o = o + self.peepholes[2] * new_cell
        seen = self.cell_norm(new_cell) if self.variant == "layer norm" else new_cell
        new_hidden = torch.sigmoid(o) * torch.tanh(seen)
        if self.variant == "zoneout":
            keep_hidden = torch.empty_like(hidden).bernoulli_(self.rate)
            keep_cell = torch.empty_like(cell).bernoulli_(self.rate)
            new_hidden = keep_hidden * hidden + (1 - keep_hidden) * new_hidden
            new_cell = keep_cell * cell + (1 - keep_cell) * new_cell
        return new_hidden, new_cell

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = cell = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        outputs = []
        ahead = self.from_inputs(inputs) if self.hoisted else inputs
        for element in ahead.unbind(1):
            hidden, cell = self.step(element if self.hoisted else self.from_inputs(element), hidden, cell)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1)
