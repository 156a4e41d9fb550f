"""From how far back the gradient of each weight comes: the part that each step adds to it, by lag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seqloom.explain.measures.recurrent_trace import LayerTrace, recurrent_layers, traced_layers
from seqloom.explain.probes.probe import NetworkProbe
from seqloom.nn.recurrence.recurrent_layer import RecurrentLayer
from seqloom.nn.recurrence.types import States

_MOST_STEPS, _ROWS = 200, 16
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class WeightGradient:
    """Of one weight of a layer, where the loss is at the last step alone, over the first 16 examples. `shares[k]`: the
    norm of what the step at lag k adds to the gradient, as a share of the sum of these norms. `norm`: that of the whole
    gradient. `reach`: the number of last steps that hold 95 % of the shares."""

    layer: str
    weight: str
    shares: list[float]
    norm: float
    reach: int


def weight_gradients(probe: NetworkProbe) -> list[WeightGradient]:
    """Of every weight of every recurrent layer; of one that runs backward in time, the loss is at the first step."""
    measured: list[WeightGradient] = []
    for backward in sorted({layer.runs_backward for layer in recurrent_layers(probe.network).values()}):
        with torch.enable_grad(), traced_layers(probe.network) as traces, _captured(probe.network) as arriving:
            probe.end_loss(probe.network, at_start=backward).total.backward()  # type: ignore[no-untyped-call]
        probe.network.zero_grad(set_to_none=True)
        for name, trace in traces.items():
            if trace.layer.runs_backward == backward and name in arriving:
                measured += _by_lag(name, trace, arriving[name])
    return measured


class Arriving(NamedTuple):
    """The gradients that arrive at a layer from above: at its `outputs` (rows, time, size) and its last `states`."""

    outputs: dict[int, Tensor]
    states: dict[int, Tensor]


@contextmanager
def _captured(network: nn.Module) -> Iterator[dict[str, Arriving]]:
    """Within this context, the first pass through each recurrent layer keeps what a backward pass brings to it."""
    captured: dict[str, Arriving] = {}

    def keep(name: str) -> Any:
        def hook(layer: RecurrentLayer, arguments: tuple[Any, ...], result: tuple[Tensor, States]) -> None:  # noqa: ARG001
            outputs, states = result
            if name in captured or outputs.shape[1] < 2:
                return
            captured[name] = Arriving({}, {})
            for tensors, gradients in zip(((outputs,), states), captured[name], strict=True):
                for number, tensor in enumerate(tensors):
                    if tensor.requires_grad:
                        tensor.register_hook(partial(_store, gradients, number))  # type: ignore[no-untyped-call]

        return hook

    with ExitStack() as hooks:
        for name, layer in recurrent_layers(network).items():
            hooks.enter_context(layer.register_forward_hook(keep(name)))
        yield captured


def _store(gradients: dict[int, Tensor], number: int, gradient: Tensor | None) -> None:
    if gradient is not None:
        gradients[number] = gradient


def _by_lag(name: str, trace: LayerTrace, arriving: Arriving) -> list[WeightGradient]:
    backward, time = trace.layer.runs_backward, trace.inputs.shape[1]
    lengths = trace.lengths[:_ROWS].to(trace.inputs.device)
    inputs = _at_end(trace.inputs[:_ROWS], lengths, backward)
    outputs = _at_end(arriving.outputs[0][:_ROWS], lengths, backward) if arriving.outputs else None
    real = torch.arange(time, device=inputs.device) >= time - lengths[:, None]
    states = _states_before(trace, inputs, real)
    parameters = dict(trace.layer.cell.named_parameters())
    nothing = map(torch.zeros_like, trace.states)
    arrived = tuple(arriving.states.get(number, zeros)[:_ROWS] for number, zeros in enumerate(nothing))
    norms: dict[str, list[float]] = {weight: [] for weight in parameters}
    totals = {weight: torch.zeros_like(value) for weight, value in parameters.items()}
    for step in reversed(range(max(time - _MOST_STEPS, 0), time)):
        if outputs is not None:  # the output is the hidden state
            arrived = (arrived[0] + outputs[:, step], *arrived[1:])
        arrived, gradients = _step_back(trace, inputs[:, step], states[step], real[:, step, None], arrived)
        for weight, gradient in zip(parameters, gradients, strict=True):
            norms[weight].append(0.0 if gradient is None else float(torch.linalg.vector_norm(gradient)))
            if gradient is not None:
                totals[weight] += gradient
    return [_measured(name, weight, norms[weight], totals[weight]) for weight in parameters if any(norms[weight])]


def _measured(layer: str, weight: str, norms: list[float], total: Tensor) -> WeightGradient:
    shares = np.array(norms) / sum(norms)
    reach = int(np.searchsorted(np.cumsum(shares), _NEARLY_ALL)) + 1
    name = weight.replace("_", " ")
    return WeightGradient(layer, name, shares.tolist(), float(torch.linalg.vector_norm(total)), min(reach, len(norms)))


def _at_end(sequence: Tensor, lengths: Tensor, backward: bool) -> Tensor:
    """(rows, time, size) in the order in which the layer reads it, every row at the end of the time."""
    if backward:
        return sequence.flip(1)
    time = sequence.shape[1]
    places = torch.arange(time, device=sequence.device) - (time - lengths[:, None])
    return sequence.gather(1, places.clamp(min=0)[:, :, None].expand_as(sequence))


@torch.no_grad()
def _states_before(trace: LayerTrace, inputs: Tensor, real: Tensor) -> list[States]:
    """Of each step; a row keeps its initial state until it begins."""
    states, before = tuple(state[:_ROWS] for state in trace.states), []
    for step, element in enumerate(inputs.unbind(1)):
        before.append(states)
        new = _step(trace.layer, element, states)
        states = tuple(torch.where(real[:, step, None], a, b) for a, b in zip(new, states, strict=True))
    return before


def _step(layer: RecurrentLayer, element: Tensor, states: States) -> States:
    new, rates = layer.cell(element, states)[1], layer.cell.zoneout or (0.0,) * len(states)
    return tuple(torch.lerp(a, b, rate) if rate else a for a, b, rate in zip(new, states, rates, strict=True))


@torch.enable_grad()
def _step_back(
    trace: LayerTrace, element: Tensor, before: States, real: Tensor, arrived: States
) -> tuple[States, tuple[Tensor | None, ...]]:
    """The gradients at the states before a step, and what the step adds to those of the weights."""
    before = tuple(state.detach().requires_grad_() for state in before)
    after = _step(trace.layer, element, before)
    states, parameters = list(before), list(trace.layer.cell.parameters())
    cotangents = [torch.where(real, gradient, 0.0) for gradient in arrived]
    gradients = torch.autograd.grad(after, [*states, *parameters], cotangents, allow_unused=True)
    through = tuple(
        torch.where(real, torch.zeros_like(later) if new is None else new, later)
        for new, later in zip(gradients, arrived, strict=False)
    )
    return through, gradients[len(states) :]
