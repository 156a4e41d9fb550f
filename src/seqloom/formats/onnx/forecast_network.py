"""The graph of a forecasting network: from a window of a series to quantiles of the next steps."""

from __future__ import annotations

import numpy as np
from scipy import stats

from seqloom.errors import RequestError
from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import run_layer, start
from seqloom.formats.onnx.matrices import linear
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.models.forecasting.calibration import NEUTRAL
from seqloom.models.forecasting.distributions import Gaussian, Quantiles
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN
from seqloom.models.forecasting.network import MIN_LOG_SCALE, MIN_SCALE, MIN_UNIT, ForecastNetwork

_LARGEST_LOG = 88.0
"""The largest number whose exponential is a float32."""


def forecast_graphs(model: ForecastNetwork, int8: bool = False) -> list[ExportedGraph]:
    """`model`: windows (and the covariates of the steps ahead, if there are any) to calibrated quantiles. Raises
    RequestError if the quantiles cannot be computed in one pass; the message names a setting that helps."""
    if model.recursive:
        raise RequestError(
            "forecasts along sample paths cannot be exported as one graph",
            where="window.horizons",
            got="recursive",
            expected="direct",
            hint="train with --set window.horizons=direct",
        )
    if not isinstance(model.distribution, Quantiles | Gaussian):
        raise RequestError(
            "ONNX has no operator for the quantiles of this distribution",
            where="window.distribution",
            got=model.options.distribution,
            expected="quantiles or gaussian",
            hint="train with --set window.distribution=quantiles",
        )
    graph, sizes = Graph(int8), model.dimensions
    channels = 2 + sizes.past + sizes.ahead + sizes.static
    windows = graph.input("windows", "float32", ["batch", sizes.context, channels])
    ahead = graph.input("ahead", "float32", ["batch", sizes.horizon, sizes.ahead]) if sizes.ahead else None
    values, level, scale, unit = _scaled(graph, model, windows)
    hidden = _last_output(graph, model, values, windows)
    if ahead is not None:
        flat = graph.op("Reshape", ahead, graph.ints(-1, sizes.horizon * sizes.ahead))
        hidden = graph.concat(hidden, flat, axis=1)
    size = model.distribution.size
    raw = graph.op("Reshape", linear(graph, hidden, model.output), graph.ints(-1, sizes.horizon, size))
    if model.shortcut is not None:
        raw = _with_shortcut(
            graph, model, raw, graph.op("Mul", linear(graph, values, model.shortcut), graph.op("Div", scale, unit))
        )
    restored = graph.op(
        "Add", graph.op("Mul", _quantiles(graph, model, raw), graph.unsqueeze(unit, 2)), graph.unsqueeze(level, 2)
    )
    if sizes.log:
        restored = graph.op("Exp", graph.op("Min", restored, graph.constant(_LARGEST_LOG)))
    graph.output(_calibrated(graph, model, restored), "quantiles", "float32", ["batch", sizes.horizon, len(LEVELS)])
    return [ExportedGraph("model", graph)]


def _mean_deviation(graph: Graph, differences: Value) -> Value:
    return graph.op("ReduceMean", graph.op("Abs", differences), graph.ints(1), keepdims=1)


def _scaled(graph: Graph, model: ForecastNetwork, windows: Value) -> tuple[Value, Value, Value, Value]:
    """The values (batch, context) minus the level and divided by the scale; level, scale and unit (batch, 1)."""
    values = graph.squeeze(graph.slice(windows, 0, 1, 2), 2)
    if model.dimensions.log:
        values = graph.op("Log", graph.op("Max", values, graph.constant(1e-12)))
    mean = graph.op("ReduceMean", values, graph.ints(1), keepdims=1)
    if model.dimensions.log:
        floor = graph.constant(MIN_LOG_SCALE)
    else:
        share = graph.op("Mul", graph.op("Abs", mean), graph.constant(MIN_SCALE))
        floor = graph.op("Add", share, graph.constant(1e-12))
    scale = graph.op("Add", _mean_deviation(graph, graph.op("Sub", values, mean)), floor)
    season = model.dimensions.season if model.dimensions.season < model.dimensions.context else 1
    later, earlier = graph.slice(values, season, None, 1), graph.slice(values, 0, -season, 1)
    differences = _mean_deviation(graph, graph.op("Sub", later, earlier))
    unit = graph.op("Max", differences, graph.op("Mul", scale, graph.constant(MIN_UNIT)))
    kinds = {"last": graph.slice(values, -1, None, 1), "mean": mean}
    level = kinds.get(model.options.level) or graph.op("Mul", mean, graph.constant(0.0))
    return graph.op("Div", graph.op("Sub", values, level), scale), level, scale, unit


def _last_output(graph: Graph, model: ForecastNetwork, values: Value, windows: Value) -> Value:
    """(batch, output): the layer's output at the end of the window."""
    sizes = model.dimensions
    elements, surplus = sizes.context // sizes.segment, sizes.context % sizes.segment
    sequence = graph.concat(graph.unsqueeze(values, 2), graph.slice(windows, 1, None, 2), axis=2)
    if surplus:
        sequence = graph.slice(sequence, surplus, None, 1)
    inputs = graph.op("Reshape", sequence, graph.ints(-1, elements, model.layer.input_size))
    lengths = repeated(graph, graph.ints(elements), graph.dim(inputs, 0), 0)
    rows = Rows.of(graph, inputs, lengths)
    outputs, _ = run_layer(model.layer, graph, inputs, start(model.layer, graph, rows.batch), rows)
    return graph.squeeze(graph.slice(outputs, -1, None, 1), 1)


def _with_shortcut(graph: Graph, model: ForecastNetwork, raw: Value, shortcut: Value) -> Value:
    """Adds the linear map to every quantile, or to the location of a distribution."""
    moved = graph.unsqueeze(shortcut, 2)
    if model.distribution.size == len(LEVELS):
        return graph.op("Add", raw, moved)
    location, others = graph.split(raw, [1, model.distribution.size - 1], axis=2)
    return graph.concat(graph.op("Add", location, moved), others, axis=2)


def _sorted(graph: Graph, values: Value) -> Value:
    return graph.ops("TopK", [values, graph.ints(len(LEVELS))], 2, axis=-1, largest=0, sorted=1)[0]


def _quantiles(graph: Graph, model: ForecastNetwork, raw: Value) -> Value:
    """(batch, horizon, levels) on the scale of the window."""
    if isinstance(model.distribution, Quantiles):
        return _sorted(graph, raw)
    mean, deviation = graph.split(raw, [1, 1], axis=2)
    positive = graph.op("Add", graph.op("Softplus", deviation), graph.constant(1e-4))
    places = graph.weight(stats.norm.ppf(np.array(LEVELS)).astype(np.float32))
    return graph.op("Add", mean, graph.op("Mul", positive, places))


def _calibrated(graph: Graph, model: ForecastNetwork, quantiles: Value) -> Value:
    """Moves the quantiles away from the median or towards it, as fitted to the validation data."""
    if (model.factors == NEUTRAL).all():
        return quantiles
    median = graph.slice(quantiles, MEDIAN, MEDIAN + 1, 2)
    factors = graph.weight(model.factors.astype(np.float32))
    return _sorted(graph, graph.op("Add", median, graph.op("Mul", graph.op("Sub", quantiles, median), factors)))
