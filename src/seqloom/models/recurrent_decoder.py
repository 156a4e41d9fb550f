"""Recurrent decoders, initialised from a summary of the source; without attention, this is all they know of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.models.decoder import Decoder
from seqloom.models.encoder import Encoded
from seqloom.nn.layer import SequenceLayer, State, restore_state, state_tensors
from seqloom.nn.matrix_product import Linear

MakeStack = Callable[[int], SequenceLayer]
"""Builds a recurrent layer for inputs of the given dimension."""


class RecurrentDecoder(Decoder):
    """The recurrent layer `stack`. Its initial states are tanh(W summary + b), with one map for each state
    (Bahdanau et al. 2015, section A.2.2), or zeros where `bridged` is False."""

    def __init__(self, stack: SequenceLayer, summary_size: int, bridged: bool) -> None:
        super().__init__()
        self.stack, self.bridged = stack, bridged
        sizes = [state.shape[1] for state in state_tensors(stack.initial_state(1))] if bridged else []
        self.bridge = nn.ModuleList(_glorot(Linear(summary_size, size)) for size in sizes)

    def first_state(self, summary: Float[Tensor, "batch summary"], rows: int) -> State:
        """The state before the first step, (batch * rows, ...); the hypotheses of a source are adjacent."""
        if not self.bridged:
            return self.stack.initial_state(len(summary) * rows)
        states = [torch.tanh(linear(summary)).repeat_interleave(rows, dim=0) for linear in self.bridge]
        return restore_state(self.stack.initial_state(1), states)

    def one_step(
        self, inputs: Float[Tensor, "batch rows size"], state: State
    ) -> tuple[Float[Tensor, "batch rows output"], State]:
        outputs, state = self.stack(inputs.flatten(0, 1)[:, None], state)
        return outputs.view(*inputs.shape[:2], -1), state


class ContextDecoder(RecurrentDecoder):
    """The summary of the source is concatenated to every input (Cho et al. 2014, equation 8); `source` is the
    summary."""

    def __init__(self, make_stack: MakeStack, input_size: int, summary_size: int, bridged: bool) -> None:
        super().__init__(make_stack(input_size + summary_size), summary_size, bridged)
        self.output_size = self.stack.output_size

    def read(self, encoded: Encoded) -> State:
        return encoded.summary

    def initial_state(self, source: State, rows: int) -> State:
        return self.first_state(source, rows)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], source: State, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time output"]:
        return self.stack(_with_summary(inputs, source), self.first_state(source, 1), lengths)[0]

    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], State, None]:
        return *self.one_step(_with_summary(inputs, source), state), None


def _with_summary(
    inputs: Float[Tensor, "batch steps input"], summary: Float[Tensor, "batch summary"]
) -> Float[Tensor, "batch steps both"]:
    return torch.cat([inputs, summary[:, None].expand(-1, inputs.shape[1], -1)], dim=2)


def _glorot(linear: Linear) -> Linear:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
