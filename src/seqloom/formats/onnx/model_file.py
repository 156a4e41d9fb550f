"""Writes graphs as ONNX files, which may share one file of weights with equal weights stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from seqloom.files import write_atomic, writing_atomic
from seqloom.formats.onnx.graph import IR_VERSION, MICROSOFT, OPSET, Graph

WEIGHTS = "weights.bin"

_INLINE_BYTES = 1024
"""Smaller weights stay in the graph's own file."""

_ALIGNED_TO = 64
"""Alignment in bytes, so that weights can be used in the memory-mapped file."""


def write_graphs(graphs: Mapping[str, Graph], folder: Path) -> list[str]:
    """Writes `NAME.onnx` for each graph, and their weights into `weights.bin`. Returns the names of the files."""
    places: dict[bytes, tuple[int, int]] = {}
    end = 0
    with writing_atomic(folder / WEIGHTS) as stream:
        for array in (array for graph in graphs.values() for _, array in _weights(graph)):
            if array.nbytes < _INLINE_BYTES or _key(array) in places:
                continue
            padding = -end % _ALIGNED_TO
            stream.write(b"\0" * padding)
            stream.write(array.tobytes())
            places[_key(array)] = (end + padding, array.nbytes)
            end += padding + array.nbytes
    for name, graph in graphs.items():
        model = _model(name, graph)
        for weight, array in _weights(graph):
            model.graph.initializer.append(_tensor(weight, array, places))
        write_atomic(folder / f"{name}.onnx", model.SerializeToString())
        onnx.checker.check_model(str(folder / f"{name}.onnx"))
    return [*(f"{name}.onnx" for name in graphs), WEIGHTS]


def model_bytes(graph: Graph) -> bytes:
    """One graph with its weights, as a file in memory."""
    model = _model("graph", graph)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in _weights(graph))
    return model.SerializeToString()


def _model(name: str, graph: Graph) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph.proto(name), producer_name="seqloom", ir_version=IR_VERSION, opset_imports=opsets)


def _weights(graph: Graph) -> list[tuple[str, NDArray[Any]]]:
    used = graph.used()
    return [(name, array) for name, array in graph.weights.items() if name in used]


def _key(array: NDArray[Any]) -> bytes:
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).digest()


def _tensor(name: str, array: NDArray[Any], places: Mapping[bytes, tuple[int, int]]) -> TensorProto:
    if array.nbytes < _INLINE_BYTES:
        return numpy_helper.from_array(array, name)
    offset, length = places[_key(array)]
    tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(np.dtype(array.dtype)))
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor
