"""The graphs of a forecasting network: from a window of a series to quantiles of the next steps, all at once or one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import run_layer, start, state_of
from seqloom.formats.onnx.matrices import linear
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.models.forecasting.calibration import NEUTRAL
from seqloom.models.forecasting.distributions import Gaussian, Quantiles, StudentT
from seqloom.models.forecasting.forecast import DEVIATES, LEVELS, MEDIAN
from seqloom.models.forecasting.mixture import ForecastMixture
from seqloom.models.forecasting.network import MIN_LOG_SCALE, MIN_SCALE, MIN_UNIT, ForecastNetwork

_LARGEST_LOG = 88.0
"""The largest number whose exponential is a float32."""

_DEGREE = 9
"""Of the polynomials for the quantiles of Student's t, which are then exact to 1e-8."""


def forecast_graphs(model: ForecastNetwork, int8: bool = False) -> list[ExportedGraph]:
    """`model`: windows (and the covariates of the steps ahead, if there are any) to calibrated quantiles; of counts, to
    the mean and the dispersion of each step. A network that forecasts step by step has two graphs: `model`, from
    windows to the quantiles of the first step, not yet calibrated and on the scale of the window; and `step`, from a
    value on that scale to the quantiles of the step after it."""
    return [_first_step(model, int8), _next_step(model, int8)] if model.recursive else [_all_steps(model, int8)]


def forecast_mixture_graphs(model: ForecastMixture, int8: bool = False) -> list[ExportedGraph]:
    """Those of its network; the other parts need none."""
    return forecast_graphs(model.network, int8)


def _all_steps(model: ForecastNetwork, int8: bool) -> ExportedGraph:
    graph, sizes = Graph(int8), model.dimensions
    windows = _windows(graph, model)
    ahead = graph.input("ahead", "float32", ["batch", sizes.horizon, sizes.ahead]) if sizes.ahead else None
    scaled = _scaled(graph, model, windows)
    hidden, _ = _last_output(graph, model, scaled.values, windows)
    if ahead is not None:
        flat = graph.op("Reshape", ahead, graph.ints(-1, sizes.horizon * sizes.ahead))
        hidden = graph.concat(hidden, flat, axis=1)
    size = model.distribution.size
    raw = graph.op("Reshape", linear(graph, hidden, model.output), graph.ints(-1, sizes.horizon, size))
    if model.distribution.of_counts:
        mean = graph.op("ReduceMean", _at_least_zero(graph, _values(graph, windows)), graph.ints(1), keepdims=1)
        offset = graph.unsqueeze(graph.op("Log", graph.op("Add", mean, graph.constant(0.5))), 2)
        raw = _with_first_moved(graph, raw, size, offset)
    if model.shortcut is not None:
        relative = graph.op("Div", scaled.scale, scaled.unit)
        shortcut = graph.op("Mul", linear(graph, scaled.values, model.shortcut), relative)
        raw = _with_shortcut(graph, model, raw, graph.unsqueeze(shortcut, 2))
    if model.distribution.of_counts:
        _give_counts(graph, raw, sizes.horizon)
        return ExportedGraph("model", graph)
    restored = graph.op(
        "Add",
        graph.op("Mul", _quantiles(graph, model, raw), graph.unsqueeze(scaled.unit, 2)),
        graph.unsqueeze(scaled.level, 2),
    )
    if sizes.log:
        restored = graph.op("Exp", graph.op("Min", restored, graph.constant(_LARGEST_LOG)))
    graph.output(_calibrated(graph, model, restored), "quantiles", "float32", ["batch", sizes.horizon, len(LEVELS)])
    return ExportedGraph("model", graph)


def _first_step(model: ForecastNetwork, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    windows = _windows(graph, model)
    scaled = _scaled(graph, model, windows)
    hidden, after = _last_output(graph, model, scaled.values, windows)
    _give_step(graph, model, hidden)
    graph.output(scaled.level, "level", "float32", ["batch", 1])
    graph.output(scaled.unit, "unit", "float32", ["batch", 1])
    for part, value in zip(state_of(model.layer), after, strict=True):
        graph.output(value, part.name, part.dtype, part.dims)
    return ExportedGraph("model", graph)


def _next_step(model: ForecastNetwork, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    exported = ExportedGraph("step", graph, started_by="model")
    elements = graph.input("elements", "float32", ["batch", 1, model.layer.input_size])
    before = exported.take_state(state_of(model.layer))
    rows = Rows.of(graph, elements, repeated(graph, graph.ints(1), graph.dim(elements, 0), 0))
    outputs, after = run_layer(model.layer, graph, elements, before, rows)
    _give_step(graph, model, graph.squeeze(outputs, 1))
    exported.give_state(after)
    return exported


def _give_step(graph: Graph, model: ForecastNetwork, hidden: Value) -> None:
    """Declares the quantiles of one step as an output; `hidden` (batch, output)."""
    raw = graph.unsqueeze(linear(graph, hidden, model.output), 1)
    quantiles = graph.squeeze(_quantiles(graph, model, raw), 1)
    graph.output(quantiles, "quantiles", "float32", ["batch", len(LEVELS)])


def _give_counts(graph: Graph, raw: Value, horizon: int) -> None:
    log_mean, dispersion = graph.split(raw, [1, 1], axis=2)
    mean = graph.op("Exp", graph.op("Clip", log_mean, graph.constant(-10.0), graph.constant(15.0)))
    for name, value in (("mean", mean), ("dispersion", _positive(graph, dispersion))):
        graph.output(graph.squeeze(value, 2), name, "float32", ["batch", horizon])


def _windows(graph: Graph, model: ForecastNetwork) -> Value:
    sizes = model.dimensions
    return graph.input("windows", "float32", ["batch", sizes.context, 2 + sizes.past + sizes.ahead + sizes.static])


def _values(graph: Graph, windows: Value) -> Value:
    """(batch, context): the values of the series."""
    return graph.squeeze(graph.slice(windows, 0, 1, 2), 2)


def _at_least_zero(graph: Graph, values: Value) -> Value:
    return graph.op("Max", values, graph.constant(0.0))


def _mean_deviation(graph: Graph, differences: Value) -> Value:
    return graph.op("ReduceMean", graph.op("Abs", differences), graph.ints(1), keepdims=1)


class _Scaled(NamedTuple):
    """`values` (batch, context) minus the level and divided by the scale; `level`, `scale` and `unit` (batch, 1)."""

    values: Value
    level: Value
    scale: Value
    unit: Value


def _scaled(graph: Graph, model: ForecastNetwork, windows: Value) -> _Scaled:
    values, of_counts = _values(graph, windows), model.distribution.of_counts
    if model.dimensions.log:
        values = graph.op("Log", graph.op("Max", values, graph.constant(1e-12)))
    elif of_counts:
        values = graph.op("Log", graph.op("Add", _at_least_zero(graph, values), graph.constant(1.0)))
    mean = graph.op("ReduceMean", values, graph.ints(1), keepdims=1)
    if model.dimensions.log or of_counts:
        floor = graph.constant(MIN_LOG_SCALE)
    else:
        share = graph.op("Mul", graph.op("Abs", mean), graph.constant(MIN_SCALE))
        floor = graph.op("Add", share, graph.constant(1e-12))
    scale = graph.op("Add", _mean_deviation(graph, graph.op("Sub", values, mean)), floor)
    kinds = {"last": graph.slice(values, -1, None, 1), "mean": mean}
    level = kinds.get(model.options.level) or graph.op("Mul", mean, graph.constant(0.0))
    relative = graph.op("Div", graph.op("Sub", values, level), scale)
    return _Scaled(relative, level, scale, scale if model.recursive else _unit(graph, model, values, scale))


def _unit(graph: Graph, model: ForecastNetwork, values: Value, scale: Value) -> Value:
    """The mean absolute seasonal difference."""
    season = model.dimensions.season if model.dimensions.season < model.dimensions.context else 1
    later, earlier = graph.slice(values, season, None, 1), graph.slice(values, 0, -season, 1)
    differences = _mean_deviation(graph, graph.op("Sub", later, earlier))
    return graph.op("Max", differences, graph.op("Mul", scale, graph.constant(MIN_UNIT)))


def _last_output(graph: Graph, model: ForecastNetwork, values: Value, windows: Value) -> tuple[Value, list[Value]]:
    """The layer's output (batch, output) and state at the end of the window."""
    sizes = model.dimensions
    segment = 1 if model.recursive else sizes.segment
    elements, surplus = sizes.context // segment, sizes.context % segment
    sequence = graph.concat(graph.unsqueeze(values, 2), graph.slice(windows, 1, None, 2), axis=2)
    if surplus:
        sequence = graph.slice(sequence, surplus, None, 1)
    inputs = graph.op("Reshape", sequence, graph.ints(-1, elements, model.layer.input_size))
    rows = Rows.of(graph, inputs, repeated(graph, graph.ints(elements), graph.dim(inputs, 0), 0))
    outputs, after = run_layer(model.layer, graph, inputs, start(model.layer, graph, rows.batch), rows)
    return graph.squeeze(graph.slice(outputs, -1, None, 1), 1), after


def _with_first_moved(graph: Graph, raw: Value, size: int, moved: Value) -> Value:
    """Adds a number to the first parameter of each distribution."""
    location, others = graph.split(raw, [1, size - 1], axis=2)
    return graph.concat(graph.op("Add", location, moved), others, axis=2)


def _with_shortcut(graph: Graph, model: ForecastNetwork, raw: Value, shortcut: Value) -> Value:
    """Adds the linear map to every quantile, or to the location of a distribution."""
    if model.distribution.size == len(LEVELS):
        return graph.op("Add", raw, shortcut)
    return _with_first_moved(graph, raw, model.distribution.size, shortcut)


def _sorted(graph: Graph, values: Value) -> Value:
    return graph.ops("TopK", [values, graph.ints(len(LEVELS))], 2, axis=-1, largest=0, sorted=1)[0]


def _positive(graph: Graph, values: Value) -> Value:
    return graph.op("Add", graph.op("Softplus", values), graph.constant(1e-4))


def _quantiles(graph: Graph, model: ForecastNetwork, raw: Value) -> Value:
    """(batch, steps, levels) on the scale of the window, from the parameters (batch, steps, size)."""
    if isinstance(model.distribution, Quantiles):
        return _sorted(graph, raw)
    if isinstance(model.distribution, Gaussian):
        location, deviation = graph.split(raw, [1, 1], axis=2)
        standard = graph.weight(DEVIATES.astype(np.float32))
    else:
        assert isinstance(model.distribution, StudentT)
        location, deviation, freedom = graph.split(raw, [1, 1, 1], axis=2)
        standard = _student_t(graph, graph.op("Add", graph.op("Softplus", freedom), graph.constant(2.0)))
    return graph.op("Add", location, graph.op("Mul", _positive(graph, deviation), standard))


def _student_t(graph: Graph, freedom: Value) -> Value:
    """(batch, steps, levels): the quantiles of Student's t, polynomials in 4 / freedom - 1, by Horner's rule."""
    place = graph.op("Sub", graph.op("Div", graph.constant(4.0), freedom), graph.constant(1.0))
    polynomials = student_t_polynomials().astype(np.float32)
    value = graph.weight(polynomials[-1])
    for coefficients in polynomials[-2::-1]:
        value = graph.op("Add", graph.op("Mul", value, place), graph.weight(coefficients))
    return value


def student_t_polynomials() -> NDArray[np.float64]:
    """(degree + 1, levels), the coefficients of ascending powers: for each of the `LEVELS` the quantile of Student's t
    with n degrees of freedom, interpolated in 4 / n - 1 at Chebyshev's nodes; n is 2 or more."""
    from scipy.special import stdtrit  # slow to import, and nothing else of an export needs it

    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    series = chebyshev.chebfit(nodes, stdtrit(4 / (nodes[:, None] + 1), LEVELS), _DEGREE)
    powers = np.zeros((_DEGREE + 1, len(LEVELS)))
    for number, coefficients in enumerate(series.T):
        converted = chebyshev.cheb2poly(coefficients)
        powers[: len(converted), number] = converted
    return powers


def _calibrated(graph: Graph, model: ForecastNetwork, quantiles: Value) -> Value:
    """Moves the quantiles away from the median or towards it, as fitted to the validation data."""
    if (model.factors == NEUTRAL).all():
        return quantiles
    median = graph.slice(quantiles, MEDIAN, MEDIAN + 1, 2)
    factors = graph.weight(model.factors.astype(np.float32))
    return _sorted(graph, graph.op("Add", median, graph.op("Mul", graph.op("Sub", quantiles, median), factors)))
