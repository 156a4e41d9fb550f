"""Gates and activations along the data: how many are saturated, which units are dead, how long each unit remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seqloom.explain.measures.recurrent_trace import LayerTrace, step_function
from seqloom.nn.cells.gru import GRU
from seqloom.nn.cells.lstm import LSTM
from seqloom.nn.cells.mingru import MinGRU
from seqloom.nn.recurrence.cell import Cell

CLOSED, OPEN = 0.05, 0.95
"""A gate below or above is saturated; a tanh unit is where its size is above `OPEN`."""

_ROWS, _STEPS = 16, 100


@dataclass(frozen=True)
class Gates:
    """Of one layer. `closed`, `open`: for each gate the share of its values below 0.05 and above 0.95. `time_scales`:
    1 / (1 - f) of each unit, f the mean of the gate that keeps its state, in falling order; empty of a cell without
    one. `saturated`: the share of hidden values beyond 0.95 in size, of a tanh cell. `dead`: the share of units that
    are zero at every step, of a ReLU cell."""

    layer: str
    closed: dict[str, float]
    open: dict[str, float]
    time_scales: list[float]
    saturated: float | None
    dead: float | None

    @property
    def saturation(self) -> float:
        """The largest share of saturated values of any gate, or of tanh units."""
        gates = [self.closed[name] + self.open[name] for name in self.closed]
        return max([*gates, self.saturated or 0.0], default=0.0)


class _Activations(TorchFunctionMode):
    """Keeps the results of all sigmoids, in order, while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoids: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.sigmoid, Tensor.sigmoid):
            self.sigmoids.append(result)
        return result


def gates(name: str, trace: LayerTrace) -> Gates:
    """Of the rows of a trace, in the order in which the layer reads them."""
    cell = trace.layer.cell
    hidden: list[NDArray[Any]] = []
    values: dict[str, list[NDArray[Any]]] = {}
    for step in _steps(trace):
        for gate, of_rows in step.gates.items():
            values.setdefault(gate, []).append(of_rows)
        hidden.append(step.hidden)
    by_gate = {gate: np.concatenate(parts) for gate, parts in values.items()}
    outputs = np.concatenate(hidden)
    activation = getattr(cell, "activation", "")
    keeps = by_gate.get(_KEEPS.get(type(cell), ""))
    scales = [] if keeps is None else np.sort(1 / np.maximum(1 - keeps.mean(0), 1e-6))[::-1].tolist()
    return Gates(
        name,
        {gate: float((v < CLOSED).mean()) for gate, v in by_gate.items()},
        {gate: float((v > OPEN).mean()) for gate, v in by_gate.items()},
        scales,
        float((np.abs(outputs) > OPEN).mean()) if activation == "tanh" else None,
        float((outputs <= 0).all(0).mean()) if activation == "relu" else None,
    )


@dataclass(frozen=True)
class GatesByStep:
    """Of one layer along one example: `means[gate][t]`, the mean over the units of a gate at step t. `names`: of the
    elements that are read, one for each step."""

    layer: str
    names: list[str]
    means: dict[str, list[float]]


def gates_by_step(name: str, trace: LayerTrace, names: list[str]) -> GatesByStep:
    """Of a trace of one row."""
    means: dict[str, list[float]] = {}
    for step in _steps(trace, most=trace.inputs.shape[1]):
        for gate, values in step.gates.items():
            means.setdefault(gate, []).append(float(values.mean()))
    if trace.layer.runs_backward:
        means = {gate: values[::-1] for gate, values in means.items()}
    return GatesByStep(name, names, means)


class _StepValues(NamedTuple):
    """Of the rows that have an element at a step: the values of the gates, and the hidden state after it."""

    gates: dict[str, NDArray[Any]]
    hidden: NDArray[Any]


@torch.no_grad()
def _steps(trace: LayerTrace, most: int = _STEPS) -> Iterator[_StepValues]:
    """At most `most` steps of the first rows of a trace, in the order in which the layer reads them."""
    cell, backward, lengths = trace.layer.cell, trace.layer.runs_backward, trace.lengths[:_ROWS]
    inputs = trace.inputs[:_ROWS].flip(1) if backward else trace.inputs[:_ROWS]
    states = tuple(state[:_ROWS] for state in trace.states)
    for number, element in enumerate(inputs[:, :most].unbind(1)):
        with _Activations() as activations:
            states = step_function(cell, element)(states)
        real = (inputs.shape[1] - number <= lengths if backward else number < lengths).numpy()
        values = {gate: v.numpy(force=True)[real] for gate, v in _named(cell, activations.sigmoids).items()}
        yield _StepValues(values, states[0].numpy(force=True)[real])


_KEEPS: dict[type[Cell], str] = {LSTM: "forget gate", GRU: "update gate", MinGRU: "update gate"}
"""The gate that says which share of a state is kept."""


def _named(cell: Cell, sigmoids: list[Tensor]) -> dict[str, Tensor]:
    """The gates of a step by their names, in the order in which the cell computes them."""
    if isinstance(cell, LSTM):
        first, last = sigmoids[0], sigmoids[-1]
        if cell.coupled:
            return {"input gate": first, "forget gate": 1 - first, "output gate": last}
        i, f = first.chunk(2, dim=1)
        return {"input gate": i, "forget gate": f, "output gate": last}
    if isinstance(cell, GRU):
        r, z = sigmoids[0].chunk(2, dim=1)
        return {"reset gate": r, "update gate": z}
    if isinstance(cell, MinGRU):
        return {"update gate": sigmoids[0]}
    return {f"gate {number}": gate for number, gate in enumerate(sigmoids, 1)}
