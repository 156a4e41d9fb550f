"""Rows of different lengths in a graph, and which of their elements are real."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import numpy_helper

from seqloom.formats.onnx.graph import Graph, Value


class Rows(NamedTuple):
    """`lengths`: (batch,) int64, the real elements of each row; `batch`, `time`: (1,) int64; `real`: (batch, time),
    False in padding."""

    lengths: Value
    batch: Value
    time: Value
    real: Value

    @classmethod
    def of(cls, graph: Graph, like: Value, lengths: Value) -> Rows:
        """The rows of `like` (batch, time, ...)."""
        time = graph.dim(like, 1)
        places = arange(graph, time)
        real = graph.op("Less", graph.unsqueeze(places, 0), graph.unsqueeze(lengths, 1))
        return cls(lengths, graph.dim(like, 0), time, real)

    def without_padding(self, graph: Graph, values: Value) -> Value:
        """(batch, time, size), with zeros in padding."""
        return graph.op("Where", graph.unsqueeze(self.real, 2), values, graph.constant(0.0))


def arange(graph: Graph, size: Value) -> Value:
    """0 .. size - 1, where `size` is (1,) int64."""
    # With NonZero: for a known size, ONNX Runtime's shape inference does not accept it as the end of a Range.
    ones = graph.op("ConstantOfShape", size, value=numpy_helper.from_array(np.ones(1, np.int64)))
    return graph.squeeze(graph.op("NonZero", ones), 0)


def last_rows(graph: Graph, known: Value, lengths: Value, count: int) -> Value:
    """(batch, count, size): for each row of `known` (batch, count + time, size) the last `count` real elements. The
    first `count` elements precede those that `lengths` counts."""
    places = graph.op("Add", graph.unsqueeze(lengths, 1), graph.weight(np.arange(count, dtype=np.int64)[None]))
    return graph.op("GatherND", known, graph.unsqueeze(places, 2), batch_dims=1)


def repeated(graph: Graph, row: Value, batch: Value, dims: int) -> Value:
    """(batch, ...): a `row` (1, ...) with `dims` axes after the first, repeated for each row of a batch."""
    shape = graph.concat(batch, *([graph.ints(*[1] * dims)] if dims else []), axis=0)
    return graph.op("Expand", row, shape)
