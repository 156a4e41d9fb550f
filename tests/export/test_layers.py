"""The graph of every registered layer says what the layer says: as a whole, in chunks, among ragged rows.

Whatever is registered is tested, with every variant of the layers' own contract; a new layer needs no line here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from seqloom.export.onnx.gate import TOLERANCE
from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.graph import Graph
from seqloom.formats.onnx.layers import run_layer, start, state_of
from seqloom.formats.onnx.model_file import model_bytes
from seqloom.formats.onnx.rows import Rows
from seqloom.nn.layer import SequenceLayer
from tests.contract.test_layers import INPUT, build, cases


class Exported:
    """A layer as a session of ONNX Runtime."""

    def __init__(self, layer: SequenceLayer) -> None:
        graph = Graph()
        inputs = graph.input("inputs", "float32", ["batch", "time", INPUT])
        lengths = graph.input("lengths", "int64", ["batch"])
        self.state, rows = state_of(layer), Rows.of(graph, inputs, lengths)
        if layer.causal:
            before = [graph.input(part.name, part.dtype, part.dims) for part in self.state]
        else:
            before = start(layer, graph, rows.batch)
        outputs, after = run_layer(layer, graph, inputs, before, rows)
        graph.output(outputs, "outputs", "float32", ["batch", "time", layer.output_size])
        if layer.causal:
            for part, value in zip(self.state, after, strict=True):
                graph.output(value, f"{part.name}_after", part.dtype, part.dims)
        else:
            self.state = []
        self.session = onnxruntime.InferenceSession(model_bytes(graph))

    def first(self, batch: int) -> list[NDArray[Any]]:
        return [np.repeat(part.start, batch, 0) for part in self.state]

    def __call__(
        self, inputs: torch.Tensor, state: list[NDArray[Any]], lengths: list[int] | None = None
    ) -> tuple[torch.Tensor, list[NDArray[Any]]]:
        batch, time, _ = inputs.shape
        sizes = np.array([time] * batch if lengths is None else lengths)
        feeds = {part.name: value for part, value in zip(self.state, state, strict=True)}
        outputs, *after = self.session.run(None, {"inputs": inputs.float().numpy(), "lengths": sizes, **feeds})
        return torch.from_numpy(outputs), after


@pytest.fixture(params=cases())
def layer(request: pytest.FixtureRequest) -> SequenceLayer:
    return build(request.param)


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    largest = max(1.0, float(expected.abs().max()) if expected.numel() else 0.0)  # relu may grow without end
    torch.testing.assert_close(got.double() / largest, expected / largest, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_graph_is_the_layer(layer: SequenceLayer) -> None:
    exported = Exported(layer)
    for batch, time in ((1, 1), (1, 2), (3, 9), (2, 30)):
        inputs = torch.randn(batch, time, INPUT, dtype=torch.float64)
        close(exported(inputs, exported.first(batch))[0], layer(inputs)[0].detach())
    lengths = [5, 1, 3, 0]
    inputs = torch.randn(4, 6, INPUT, dtype=torch.float64)
    expected, _ = layer(inputs, None, torch.tensor(lengths))
    got, _ = exported(inputs.masked_fill(torch.arange(6)[:, None] >= 5, 7.0), exported.first(4), lengths)
    for row, length in enumerate(lengths):
        close(got[row, :length], expected[row, :length].detach())


CHUNKS = [[[1, 1]] * 8, [[4, 2], [1, 5], [3, 3]], [[0, 5], [3, 0], [2, 2]], [[0, 0], [0, 3], [0, 0], [4, 4]]]


@pytest.mark.parametrize("case", cases(causal_only=True))
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_the_state_is_carried(case: Any, chunks: list[list[int]]) -> None:
    layer = build(case)
    exported = Exported(layer)
    state, expected_state = exported.first(2), layer.initial_state(2)
    for lengths in chunks:
        inputs = torch.randn(2, max(*lengths, 1), INPUT, dtype=torch.float64)
        expected, expected_state = layer(inputs, expected_state, torch.tensor(lengths))
        got, state = exported(inputs, state, lengths)
        for row, length in enumerate(lengths):
            close(got[row, :length], expected[row, :length].detach())
