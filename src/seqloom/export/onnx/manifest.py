"""The manifest's description of graphs: names, types and shapes of inputs and outputs, and the first state."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import onnx

from seqloom.formats.onnx.exported_graph import AFTER, ExportedGraph
from seqloom.formats.onnx.graph import TYPES
from seqloom.formats.onnx.layers import StateTensor

_NAMES: dict[int, str] = {int(number): name for name, number in TYPES.items()}


def describe_graphs(graphs: Iterable[ExportedGraph]) -> dict[str, Any]:
    return {exported.name: _describe(exported) for exported in graphs}


def _describe(exported: ExportedGraph) -> dict[str, Any]:
    return {
        "file": f"{exported.name}.onnx",
        "inputs": _values(exported.graph.inputs),
        "outputs": _values(exported.graph.outputs),
        "state": [_state(part, bool(exported.started_by)) for part in exported.state],
        "started_by": exported.started_by,
    }


def _values(infos: Sequence[onnx.ValueInfoProto]) -> list[dict[str, Any]]:
    return [
        {
            "name": info.name,
            "dtype": _NAMES[info.type.tensor_type.elem_type],
            "shape": [dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim],
        }
        for info in infos
    ]


def _state(part: StateTensor, started_elsewhere: bool) -> dict[str, Any]:
    """`start`: the state of one row before the first element, as little-endian bytes in base 64."""
    plain: dict[str, Any] = {"name": part.name, "output": part.name + AFTER, "dtype": part.dtype}
    if started_elsewhere:
        return plain
    data = part.start.astype(part.start.dtype.newbyteorder("<")).tobytes()
    return plain | {"start": {"shape": list(part.start.shape), "data": base64.b64encode(data).decode("ascii")}}
