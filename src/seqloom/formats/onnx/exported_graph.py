"""A graph of a network, with the names of its inputs, outputs and state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor

AFTER = "_after"
"""A tensor of the state has its own name as input, and its name with this suffix as output."""


@dataclass
class ExportedGraph:
    """`state`: the tensors that are carried from call to call. `started_by`: the graph that computes the first state,
    under the same names; without one, the first state is the `start` of each tensor."""

    name: str
    graph: Graph
    state: Sequence[StateTensor] = ()
    started_by: str = ""

    def take_state(self, state: Sequence[StateTensor], batch: int | str = "batch") -> list[Value]:
        """Declares the inputs of a state."""
        self.state = state
        return [
            self.graph.input(part.name, part.dtype, [batch if dim == "batch" else dim for dim in part.dims])
            for part in state
        ]

    def give_state(self, after: Sequence[Value], batch: int | str = "batch") -> None:
        """Declares the outputs of the state after the call."""
        for part, value in zip(self.state, after, strict=True):
            dims = [batch if dim == "batch" else f"{dim}{AFTER}" if dim == "seen" else dim for dim in part.dims]
            self.graph.output(value, part.name + AFTER, part.dtype, dims)
