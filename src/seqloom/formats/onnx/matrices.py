"""Products with weight matrices, in float32 or in 8-bit integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.formats.onnx.graph import Graph, Value

_LARGEST = 63
"""Weights use seven of eight bits: processors without 8-bit product instructions add two products in 16 bits, which
would overflow otherwise."""


class Quantized(NamedTuple):
    """`numbers` (rows, columns) int8 times `scales`, one for each row, are the weights up to rounding."""

    numbers: NDArray[np.int8]
    scales: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: NDArray[np.float32]) -> Quantized:
        scales = np.maximum(np.abs(matrix).max(1) / _LARGEST, 1e-12).astype(np.float32)
        return cls(np.rint(matrix / scales[:, None]).astype(np.int8), scales)


def linear(graph: Graph, values: Value, module: nn.Linear | nn.Identity) -> Value:
    """x W^T + b along the last axis; in a graph for one element, `values` are (1, 1, inputs)."""
    if isinstance(module, nn.Identity):
        return values
    if not graph.single:
        return product(graph, values, module.weight, module.bias)
    weights: NDArray[np.float32] = module.weight.detach().cpu().float().numpy()
    matrix = graph.unsqueeze(graph.weight(np.ascontiguousarray(weights.T)), 0)
    return product_of_one(graph, values, matrix, module.bias)


def product_of_one(graph: Graph, values: Value, matrix: Value, bias: Tensor | NDArray[np.float32] | None) -> Value:
    """(1, 1, outputs): `values` (1, 1, inputs) times `matrix` (1, inputs, outputs), and `bias` (outputs,).

    ONNX Runtime packs a matrix of two axes for products of many rows. For one row it reads a matrix in memory order, as
    those of three axes stay, up to twice as fast. What brings a weight into this form is computed once, as the graph is
    loaded."""
    products = graph.op("MatMul", values, matrix)
    return products if bias is None else graph.op("Add", products, graph.weight(bias))


def product(graph: Graph, values: Value, matrix: Tensor, bias: Tensor | None = None) -> Value:
    """x W^T + b along the last axis, with `matrix` (outputs, inputs) and `bias` (outputs,)."""
    weights: NDArray[np.float32] = matrix.detach().cpu().float().numpy()
    if graph.int8:
        quantized = Quantized.of(weights)
        numbers = graph.weight(np.ascontiguousarray(quantized.numbers.T))
        products = integer_product(graph, values, numbers, quantized.scales)
    else:
        products = graph.op("MatMul", values, graph.weight(np.ascontiguousarray(weights.T)))
    return products if bias is None else graph.op("Add", products, graph.weight(bias))


def integer_product(graph: Graph, values: Value, numbers: Value, scales: NDArray[np.float32]) -> Value:
    """`values` are quantized at run time with their own scale and zero point; `numbers` are (inputs, outputs)."""
    quantized, scale, zero = graph.ops("DynamicQuantizeLinear", [values], 3)
    integers = graph.cast(graph.op("MatMulInteger", quantized, numbers, zero), "float32")
    return graph.op("Mul", integers, graph.op("Mul", scale, graph.weight(scales)))


class Table:
    """A table of token vectors (vocab, size), stored once, for look-ups and for products."""

    def __init__(self, graph: Graph, weight: Tensor) -> None:
        self.graph, self.weight = graph, weight
        if graph.int8:
            quantized = Quantized.of(weight.detach().cpu().float().numpy())
            self.scales = quantized.scales
            self.rows = graph.weight(quantized.numbers)
        else:
            self.rows = graph.weight(weight)

    def take(self, ids: Value) -> Value:
        """(*ids, size): the vectors of token ids."""
        graph = self.graph
        rows = graph.op("Gather", self.rows, ids)
        if not graph.int8:
            return rows
        scales = graph.op("Gather", graph.weight(self.scales[:, None]), ids)
        return graph.op("Mul", graph.cast(rows, "float32"), scales)

    def multiply(self, vectors: Value, bias: Value) -> Value:
        """(rows, vocab): vectors (rows, size) times the table, and `bias` (vocab,); in a graph for one element, (1, 1,
        vocab) for vectors (1, 1, size)."""
        graph = self.graph
        if graph.single:
            turned = graph.unsqueeze(graph.op("Transpose", self.rows, perm=[1, 0]), 0)
            return graph.op("Add", graph.op("MatMul", vectors, turned), bias)
        if not graph.int8:
            return graph.op("Gemm", vectors, self.rows, bias, transB=1)
        turned = graph.op("Transpose", self.rows, perm=[1, 0])
        return graph.op("Add", integer_product(graph, vectors, turned, self.scales), bias)


def layer_norm(graph: Graph, values: Value, gain: Tensor, bias: Tensor | None = None, epsilon: float = 1e-5) -> Value:
    """Layer normalisation over the last axis (Ba et al. 2016)."""
    # The operator's bias is optional, but ONNX Runtime 1.32 crashes when it optimizes one without.
    offset = graph.weight(np.zeros(gain.shape, np.float32) if bias is None else bias)
    return graph.op("LayerNormalization", values, graph.weight(gain), offset, axis=-1, epsilon=epsilon)
