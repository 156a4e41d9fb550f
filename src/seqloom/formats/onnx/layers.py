"""The contract of layers in a graph: their state, and their outputs for a sequence; `builders` implements it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError
from seqloom.formats.onnx.graph import Dims, Graph, Value
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.nn.layer import SequenceLayer


class StateTensor(NamedTuple):
    """A tensor of a state. `start` (1, ...): the state of a row before its first element. `grows`: the axis that
    becomes longer with every element, if there is one."""

    name: str
    start: NDArray[np.generic]
    grows: int | None = None

    @property
    def dtype(self) -> str:
        return str(self.start.dtype)

    @property
    def dims(self) -> Dims:
        """`batch` rows; `seen` elements on the axis that grows."""
        sizes: list[int | str] = ["batch", *self.start.shape[1:]]
        if self.grows is not None:
            sizes[self.grows] = "seen"
        return sizes


@singledispatch
def state_of(layer: SequenceLayer) -> list[StateTensor]:
    """The tensors that a layer carries from element to element, without empty ones."""
    raise RequestError(
        f"a layer of the class {type(layer).__name__} cannot be exported: it has no builder of ONNX graphs",
        hint="seqloom.formats.onnx.layers describes builders",
    )


@singledispatch
def run_layer(
    layer: SequenceLayer, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    """The outputs (batch, time, output) for `inputs` (batch, time, input), and the state after each row's last real
    element."""
    raise RequestError(f"a layer of the class {type(layer).__name__} cannot be exported")


def start(layer: SequenceLayer, graph: Graph, batch: Value) -> list[Value]:
    """The state before the first element, as values of the graph."""
    return [
        repeated(graph, graph.weight(np.ascontiguousarray(tensor.start)), batch, tensor.start.ndim - 1)
        for tensor in state_of(layer)
    ]
