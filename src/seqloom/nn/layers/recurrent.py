"""Stacks of recurrent layers, one for every registered cell: forward in time, and bidirectional (`bi` before the
name)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, create_model
from torch import Tensor, nn

from seqloom.config import Settings, needs
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State, layers
from seqloom.nn.recurrence.cell import Cell, cells
from seqloom.nn.recurrence.recurrent_layer import Backend, RecurrentLayer


class StackSettings(Settings):
    num_layers: int = Field(2, gt=0, le=64, description="number of stacked layers")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="rate of variational dropout between layers", json_schema_extra=needs(num_layers=2)
    )
    residual: bool = Field(
        False, description="residual connection around each layer but the first, where sizes allow",
        json_schema_extra=needs(num_layers=2),
    )  # fmt: skip
    initial_state: Literal["learned", "zeros"] = Field("learned", description="initial hidden state: learned, or zeros")


class RecurrentStack(SequenceLayer):
    """Layers of one kind of cell, each with its own initial states.

    The state is a tuple with the states of each layer, or of both directions of each layer. Those of a backward layer
    start at the end of the sequence, and are returned as they are after the first element. `cell` is the class of the
    cell; one of your own needs no registration: `RecurrentStack(input_size, settings, MyCell)`.
    """

    cell: ClassVar[type[Cell]]

    def __init__(self, input_size: int, settings: Any, cell: type[Cell] | None = None) -> None:
        super().__init__()
        cell_class = cell or self.cell
        self.input_size, self.residual = input_size, settings.residual
        self.between = VariationalDropout(settings.dropout)
        width, stack = input_size, []
        for _ in range(settings.num_layers):
            stack.append(self._make_layer(cell_class, width, settings))
            width = stack[-1].output_size
        self.stack, self.output_size = nn.ModuleList(stack), width

    def _make_layer(self, cell_class: type[Cell], input_size: int, settings: Any) -> RecurrentLayer | Bidirectional:
        def layer(backward: bool = False) -> RecurrentLayer:
            return RecurrentLayer(cell_class(input_size, settings), settings.initial_state == "learned", backward)

        return layer() if self.causal else Bidirectional(layer(), layer(backward=True))

    def initial_state(self, batch_size: int) -> State:
        return tuple(layer.initial_states(batch_size) for layer in self.iter_layers())

    def iter_layers(self) -> Iterator[RecurrentLayer | Bidirectional]:
        return cast("Iterator[RecurrentLayer | Bidirectional]", iter(self.stack))

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        state = self.initial_state(inputs.shape[0]) if state is None else state
        sequence, new_state = inputs, []
        for number, (layer, states) in enumerate(zip(self.iter_layers(), state, strict=True)):
            layer_inputs = self.between(sequence) if number and self.training else sequence
            outputs, new_states = layer(layer_inputs, states, lengths)
            adds = self.residual and number and outputs.shape == sequence.shape
            sequence = sequence + outputs if adds else outputs
            new_state.append(new_states)
        return sequence, tuple(new_state)

    def backends(self, inputs: Float[Tensor, "batch time input"], lengths: Tensor | None = None) -> list[Backend]:
        """For each layer from the first to the last, the backend that would run `inputs` now, and why."""
        layer_inputs, backends = inputs, []
        for layer in self.iter_layers():
            backends.append(layer.backend(layer_inputs, lengths))
            layer_inputs = inputs.new_empty(inputs.shape[0], inputs.shape[1], layer.output_size)
        return backends


class Bidirectional(nn.Module):
    """A layer forward in time and one backward, their outputs side by side (Schuster and Paliwal 1997)."""

    def __init__(self, forward_layer: RecurrentLayer, backward_layer: RecurrentLayer) -> None:
        super().__init__()
        self.forward_layer, self.backward_layer = forward_layer, backward_layer
        self.output_size = forward_layer.output_size + backward_layer.output_size

    def initial_states(self, batch_size: int) -> State:
        return self.forward_layer.initial_states(batch_size), self.backward_layer.initial_states(batch_size)

    def backend(self, inputs: Tensor, lengths: Tensor | None = None) -> Backend:
        return self.forward_layer.backend(inputs, lengths)

    def forward(self, inputs: Tensor, states: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        forward, forward_states = self.forward_layer(inputs, states[0], lengths)
        backward, backward_states = self.backward_layer(inputs, states[1], lengths)
        return torch.cat([forward, backward], dim=2), (forward_states, backward_states)


def _register(name: str) -> None:
    cell = cells[name]
    settings = create_model(f"{cell.__name__}LayerSettings", __base__=(cell.settings, StackSettings))
    forward = {
        "settings": settings,
        "cell": cell,
        "description": cell.description,
        "source": cell.source,
        "__doc__": cell.__doc__,
    }
    layers.register(name)(type(cell.__name__, (RecurrentStack,), forward))
    description = f"{cell.__name__} layers forward and backward in time: each output sees the whole sequence."
    both = {
        **forward,
        "causal": False,
        "description": description,
        "source": f"{cell.source}; Schuster and Paliwal 1997",
        "__doc__": description,
    }
    layers.register(f"bi{name}")(type(f"Bidirectional{cell.__name__}", (RecurrentStack,), both))


for _name in cells:
    _register(_name)
