"""An ONNX graph under construction: nodes, weights that are stored once, typed inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor

OPSET = 20
IR_VERSION = 10
_COMPARED_BYTES = 4096
"""Larger arrays are not compared with the arrays that the graph already has."""

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators, which int8 needs."""

TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
}

Value = str
"""The name of a node's output, of an input or of a weight."""

Dims = Sequence[int | str]
"""A shape; a name stands for a size that may change from call to call."""


class Graph:
    """Nodes in the order in which they run. The body of a `Scan` is a graph too, which can use the values of the graph
    around it.

    `int8`: matrices are stored as 8-bit integers, and their inputs are quantized at run time. `single`: the graph reads
    one element of one row, and its products are written for that (`matrices.product_of_one`).
    """

    def __init__(self, int8: bool = False, around: Graph | None = None, single: bool = False) -> None:
        self.int8, self.single = int8, single and not int8
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._outermost: Graph = self if around is None else around._outermost
        self.weights: dict[str, NDArray[Any]] = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._alive: list[Tensor] = []  # so that no later tensor gets the address of a known one
        self._count = 0

    def _name(self, kind: str) -> str:
        outermost = self._outermost
        outermost._count += 1
        return f"{kind}_{outermost._count}"

    def input(self, name: str, dtype: str, dims: Dims | None = None) -> Value:
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], dims))
        return name

    def output(self, value: Value, name: str, dtype: str, dims: Dims | None = None) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], dims))

    def ops(self, kind: str, inputs: Sequence[Value | None], outputs: int, **attributes: Any) -> list[Value]:
        """The outputs of a node with several outputs."""
        names = [self._name(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, [name or "" for name in inputs], names, **attributes))
        return names

    def op(self, kind: str, *inputs: Value | None, **attributes: Any) -> Value:
        return self.ops(kind, inputs, 1, **attributes)[0]

    def constant(self, numbers: NDArray[Any] | Sequence[Any] | float, dtype: str = "float32") -> Value:
        """A constant; equal constants are stored once."""
        return self.weight(np.array(numbers, dtype))

    def ints(self, *numbers: int) -> Value:
        """(numbers,) int64, for shapes and axes."""
        return self.constant(np.array(numbers, np.int64), "int64")

    def weight(self, numbers: Tensor | NDArray[Any]) -> Value:
        """A parameter, as float32 if it is a floating-point number; the same tensor, or equal small ones, are stored
        once."""
        outermost = self._outermost
        if isinstance(numbers, Tensor):
            key: tuple[Any, ...] = (numbers.data_ptr(), tuple(numbers.shape), tuple(numbers.stride()), numbers.dtype)
            if key in outermost._names and numbers.numel():
                return outermost._names[key]
            outermost._alive.append(numbers)
            array = numbers.detach().cpu().numpy()
            array = array.astype(np.float32) if array.dtype.kind == "f" else array
        else:
            small = numbers.nbytes <= _COMPARED_BYTES
            array, key = numbers, (numbers.shape, numbers.dtype.str, numbers.tobytes() if small else id(numbers))
            if small and key in outermost._names:
                return outermost._names[key]
        name = self._name("weight")
        outermost.weights[name] = np.ascontiguousarray(array)
        outermost._names[key] = name
        return name

    def scan(
        self,
        step: Callable[[Graph, list[Value], list[Value]], tuple[list[Value], list[Value]]],
        state: Sequence[tuple[Value, str]],
        sequences: Sequence[tuple[Value, str]],
        outputs: Sequence[str] = ("float32",),
        backward: bool = False,
    ) -> tuple[list[Value], list[Value]]:
        """Runs `step(body, state, elements) -> (state, outputs)` along the first axis of the `sequences`; each value
        comes with its type. Returns the last state, and the sequences of the `outputs`, which have these types."""
        body = Graph(self.int8, self)
        before = [body.input(self._name("state"), dtype) for _, dtype in state]
        elements = [body.input(self._name("element"), dtype) for _, dtype in sequences]
        after, step_outputs = step(body, before, elements)
        for value, (_, dtype) in zip(after, state, strict=True):
            body.output(value, self._name("after"), dtype)
        for value, dtype in zip(step_outputs, outputs, strict=True):
            body.output(value, self._name("given"), dtype)
        proto = helper.make_graph(body.nodes, self._name("body"), body.inputs, body.outputs)
        attributes: dict[str, Any] = {"body": proto, "num_scan_inputs": len(sequences)}
        if backward:
            attributes |= {"scan_input_directions": [1] * len(sequences), "scan_output_directions": [1] * len(outputs)}
        values = [value for value, _ in (*state, *sequences)]
        results = self.ops("Scan", values, len(state) + len(outputs), **attributes)
        return results[: len(state)], results[len(state) :]

    def dim(self, value: Value, axis: int) -> Value:
        """(1,) int64: the size of an axis."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def split(self, value: Value, sizes: Sequence[int], axis: int = -1) -> list[Value]:
        return self.ops("Split", [value, self.ints(*sizes)], len(sizes), axis=axis)

    def slice(self, value: Value, start: int, stop: int | None, axis: int) -> Value:
        """`value[start:stop]` along an axis; a negative number counts from the end."""
        end = np.iinfo(np.int64).max if stop is None else stop
        return self.op("Slice", value, self.ints(start), self.ints(end), self.ints(axis))

    def squeeze(self, value: Value, axis: int) -> Value:
        return self.op("Squeeze", value, self.ints(axis))

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        return self.op("Unsqueeze", value, self.ints(*axes))

    def concat(self, *values: Value, axis: int) -> Value:
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def cast(self, value: Value, dtype: str) -> Value:
        return self.op("Cast", value, to=TYPES[dtype])

    def used(self) -> set[Value]:
        """The values that an output depends on."""
        used = {output.name for output in self.outputs}
        for node in reversed(self.nodes):
            if used.intersection(node.output):
                used |= _read_by(node)
        return used

    def proto(self, name: str) -> onnx.GraphProto:
        """The graph without its weights, and without nodes that no output depends on, which ONNX Runtime would run."""
        used = self.used()
        nodes = [node for node in self.nodes if used.intersection(node.output)]
        return helper.make_graph(nodes, name, self.inputs, self.outputs)


def _read_by(node: onnx.NodeProto) -> set[Value]:
    """The values that a node reads, including those that the body of a `Scan` reads from the graph around it."""
    inner = (_read_by(node_inside) for attribute in node.attribute for node_inside in attribute.g.node)
    return set(node.input).union(*inner)
