"""Stacks of recurrent layers, one for every registered cell: forward in time, and both ways (`bi` before the name)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, create_model
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State, layers
from seqloom.nn.recurrence.cell import Cell, cells
from seqloom.nn.recurrence.recurrent_layer import Path, RecurrentLayer


class StackSettings(Settings):
    num_layers: int = Field(2, gt=0, le=64, description="layers stacked")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of variational dropout between layers")
    residual: bool = Field(False, description="each layer but the first adds to what it takes, where sizes allow")
    initial_state: Literal["learned", "zeros"] = Field("learned", description="the memory before the first element")


class RecurrentStack(SequenceLayer):
    """Layers of one kind of cell, each with its own first memories.

    The state is a tuple with the memories of each layer, each direction where there are two (the backward one's are
    those it starts from at the end, and those it has after the first element). `cell` is the class of the cell; one of
    your own needs no registration: `RecurrentStack(input_size, settings, MyCell)`.
    """

    cell: ClassVar[type[Cell]]

    def __init__(self, input_size: int, settings: Any, cell: type[Cell] | None = None) -> None:
        super().__init__()
        kind = cell or self.cell
        self.input_size, self.residual = input_size, settings.residual
        self.between = VariationalDropout(settings.dropout)
        width, depths = input_size, []
        for _ in range(settings.num_layers):
            depths.append(self._depth(kind, width, settings))
            width = depths[-1].output_size
        self.stack, self.output_size = nn.ModuleList(depths), width

    def _depth(self, kind: type[Cell], input_size: int, settings: Any) -> RecurrentLayer | BothWays:
        def layer(backward: bool = False) -> RecurrentLayer:
            return RecurrentLayer(kind(input_size, settings), settings.initial_state == "learned", backward)

        return layer() if self.causal else BothWays(layer(), layer(backward=True))

    def initial_state(self, batch_size: int) -> State:
        return tuple(depth.first_memories(batch_size) for depth in self._depths())

    def _depths(self) -> Iterator[RecurrentLayer | BothWays]:
        return cast("Iterator[RecurrentLayer | BothWays]", iter(self.stack))

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        state = self.initial_state(inputs.shape[0]) if state is None else state
        sequence, after = inputs, []
        for number, (depth, before) in enumerate(zip(self._depths(), state, strict=True)):
            taken = self.between(sequence) if number and self.training else sequence
            given, left = depth(taken, before, lengths)
            adds = self.residual and number and given.shape == sequence.shape
            sequence = sequence + given if adds else given
            after.append(left)
        return sequence, tuple(after)

    def path(self, inputs: Float[Tensor, "batch time input"], lengths: Tensor | None = None) -> list[Path]:
        """How each layer, from the first to the last, would run `inputs` now, and why."""
        width, found = inputs, []
        for depth in self._depths():
            found.append(depth.path(width, lengths))
            width = inputs.new_empty(inputs.shape[0], inputs.shape[1], depth.output_size)
        return found


class BothWays(nn.Module):
    """A layer forward in time and one backward, side by side."""

    def __init__(self, forward_layer: RecurrentLayer, backward_layer: RecurrentLayer) -> None:
        super().__init__()
        self.forward_layer, self.backward_layer = forward_layer, backward_layer
        self.output_size = forward_layer.output_size + backward_layer.output_size

    def first_memories(self, batch_size: int) -> State:
        return self.forward_layer.first_memories(batch_size), self.backward_layer.first_memories(batch_size)

    def path(self, inputs: Tensor, lengths: Tensor | None = None) -> Path:
        return self.forward_layer.path(inputs, lengths)

    def forward(self, inputs: Tensor, memories: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        forward, after_forward = self.forward_layer(inputs, memories[0], lengths)
        backward, after_backward = self.backward_layer(inputs, memories[1], lengths)
        return torch.cat([forward, backward], dim=2), (after_forward, after_backward)


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
