"""A Neural Turing Machine as one writes it in plain torch: one sequence at a time, a loop over the steps, the shift of
each sample by a loop of its own, autograd for the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def shift_rows(weights: Tensor, shifts: Tensor) -> Tensor:
    """Circular convolution of each sample: (batch, locations) by (batch, 3)."""
    moved = []
    for row, of in zip(weights, shifts, strict=True):
        around = torch.cat([row[-1:], row, row[:1]])
        moved.append(F.conv1d(around.view(1, 1, -1), of.flip(0).view(1, 1, -1)).view(-1))
    return torch.stack(moved)


class PlainHead(nn.Module):
    """Says where: key, strength, gate, shift, sharpening."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.key, self.strength = nn.Linear(hidden_size, width), nn.Linear(hidden_size, 1)
        self.gate, self.shift = nn.Linear(hidden_size, 1), nn.Linear(hidden_size, 3)
        self.sharpening = nn.Linear(hidden_size, 1)

    def forward(self, hidden: Tensor, memory: Tensor, before: Tensor) -> Tensor:
        key, strength = torch.tanh(self.key(hidden)), F.softplus(self.strength(hidden))
        content = F.softmax(strength * F.cosine_similarity(memory, key.unsqueeze(1), dim=2, eps=1e-8), dim=1)
        gate = torch.sigmoid(self.gate(hidden))
        weights = gate * content + (1 - gate) * before
        weights = shift_rows(weights, F.softmax(self.shift(hidden), dim=1))
        weights = (weights + 1e-16) ** (1 + F.softplus(self.sharpening(hidden)))
        return weights / weights.sum(1, keepdim=True)


class PlainNTM(nn.Module):
    """One read and one write head; an LSTM as controller."""

    def __init__(self, input_size: int, target_size: int, hidden_size: int, locations: int, width: int) -> None:
        super().__init__()
        self.controller = nn.LSTMCell(input_size + width, hidden_size)
        self.read, self.write = PlainHead(hidden_size, width), PlainHead(hidden_size, width)
        self.erase, self.add = nn.Linear(hidden_size, width), nn.Linear(hidden_size, width)
        self.output = nn.Linear(hidden_size + width, target_size)
        self.first_weights = nn.Parameter(torch.zeros(2, locations))
        self.first_read = nn.Parameter(torch.zeros(width))
        self.first_hidden, self.first_cell = (nn.Parameter(torch.zeros(hidden_size)) for _ in range(2))
        self.locations, self.width = locations, width

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, time, input) to logits (batch, time, target)."""
        batch = len(inputs)
        memory = inputs.new_full((batch, self.locations, self.width), 1e-6)
        reads, writes = (F.softmax(logits, dim=0).expand(batch, -1) for logits in self.first_weights)
        read = self.first_read.expand(batch, -1)
        state = self.first_hidden.expand(batch, -1), self.first_cell.expand(batch, -1)
        outputs = []
        for step in range(inputs.shape[1]):
            state = self.controller(torch.cat([inputs[:, step], read], dim=1), state)
            hidden = state[0]
            reads, writes = self.read(hidden, memory, reads), self.write(hidden, memory, writes)
            erase, add = torch.sigmoid(self.erase(hidden)), torch.tanh(self.add(hidden))
            memory = memory * (1 - writes.unsqueeze(2) * erase.unsqueeze(1))
            memory = memory + writes.unsqueeze(2) * add.unsqueeze(1)
            read = torch.bmm(reads.unsqueeze(1), memory).squeeze(1)
            outputs.append(self.output(torch.cat([hidden, read], dim=1)))
        return torch.stack(outputs, dim=1)
