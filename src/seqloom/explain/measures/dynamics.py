"""The recurrence as a dynamical system along the data: Jacobians of a step, Lyapunov exponents, Pascanu's bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seqloom.explain.measures.recurrent_trace import LayerTrace, Step, step_function
from seqloom.nn.cells.rnn import RNN
from seqloom.nn.recurrence.cell import Cell
from seqloom.nn.recurrence.types import States

_EXPONENTS = 8
_POWER_STEPS = 10
_WHOLE_JACOBIAN = 128
"""States up to which the whole Jacobian is computed."""
_WARM_UP = 0.1
"""Share of the steps in which the tangent vectors turn into the leading directions; they are not counted."""


@dataclass(frozen=True)
class Dynamics:
    """Of one layer. `singular_values`: the largest singular value of the Jacobian ds_t/ds_{t-1} at each step, s_t being
    all states side by side. `exponents`: the leading Lyapunov exponents in nats per step, the largest first; the first
    one is the mean rate at which two nearly equal states part (above 0) or meet (below 0). `pascanu_bound`: an upper
    bound of the factor by which a gradient changes in a step, where there is one."""

    layer: str
    singular_values: list[float]
    exponents: list[float]
    pascanu_bound: float | None


def dynamics(name: str, trace: LayerTrace, most_steps: int = 100) -> Dynamics:
    """Along the longest row of a trace."""
    trace = trace.longest_row()
    inputs, cell = trace.inputs[:, :most_steps], trace.layer.cell
    return Dynamics(
        name, singular_values(cell, inputs, trace.states), lyapunov_exponents(cell, inputs, trace.states),
        pascanu_bound(cell),
    )  # fmt: skip


def pascanu_bound(cell: Cell) -> float | None:
    """The largest singular value of the recurrent matrix times the largest slope of tanh or ReLU, which is 1: of a
    simple recurrent network, gradients fall at least that fast a step (Pascanu et al. 2013, section 2.1). None of other
    cells."""
    if not isinstance(cell, RNN):
        return None
    return float(torch.linalg.matrix_norm(cell.recurrent_weight.detach().double(), 2))


@torch.no_grad()
def lyapunov_exponents(
    cell: Cell, inputs: Float[Tensor, "1 time input"], states: States, count: int = _EXPONENTS
) -> list[float]:
    """The `count` leading exponents, at most one for each dimension: tangent vectors are carried along by the Jacobians
    and made orthogonal again after each step; the mean logarithm of what they grow by (Benettin et al. 1980)."""
    sizes = [state.shape[1] for state in states]
    count, steps = min(count, sum(sizes)), inputs.shape[1]
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(sum(sizes), count, generator=generator, dtype=torch.float64).to(inputs.device)
    tangents, grown = torch.linalg.qr(start)[0], torch.zeros(count, dtype=torch.float64, device=inputs.device)
    first = int(_WARM_UP * steps)
    for step, element in enumerate(inputs.unbind(1)):
        step_states = step_function(cell, element)
        moved = _forward_products(step_states, states, tangents.T.to(states[0].dtype))
        tangents, triangle = torch.linalg.qr(moved.T.double())
        if step >= first:
            grown += triangle.diagonal().abs().clamp(min=1e-300).log()
        states = step_states(states)
    exponents = (grown / max(steps - first, 1)).tolist()
    return sorted((max(value, -700.0) for value in exponents), reverse=True)


@torch.no_grad()
def singular_values(cell: Cell, inputs: Float[Tensor, "1 time input"], states: States) -> list[float]:
    """The largest singular value of each step's Jacobian J. Of many states it comes from the power method on J^T J,
    which starts a step with the direction that the step before ended with."""
    size = sum(state.shape[1] for state in states)
    direction = torch.full((1, size), 1 / math.sqrt(size), dtype=states[0].dtype, device=inputs.device)
    values = []
    for element in inputs.unbind(1):
        step_states = step_function(cell, element)
        if size <= _WHOLE_JACOBIAN:
            jacobian = _forward_products(step_states, states, torch.eye(size).to(states[0])).T
            values.append(float(torch.linalg.matrix_norm(jacobian, 2)))
        else:
            norm, direction = _power_method(step_states, states, direction)
            values.append(norm)
        states = step_states(states)
    return values


def _power_method(step_states: Step, states: States, direction: Tensor) -> tuple[float, Tensor]:
    norm = 0.0
    for _ in range(_POWER_STEPS):
        image = _forward_products(step_states, states, direction)
        norm = float(torch.linalg.vector_norm(image))
        if norm == 0 or not math.isfinite(norm):
            break
        back = _backward_product(step_states, states, image)
        direction = back / torch.linalg.vector_norm(back).clamp(min=1e-30)
    return norm, direction


@torch.enable_grad()
def _forward_products(
    step_states: Step, states: States, tangents: Float[Tensor, "count size"]
) -> Float[Tensor, "count size"]:
    """J v for each row v of `tangents`: J^T u is linear in u, and the derivative of (J^T u) v by u is J v."""
    before = [state.detach().expand(len(tangents), -1).requires_grad_() for state in states]
    after = torch.cat(step_states(tuple(before)), dim=1)
    cotangent = torch.zeros_like(after, requires_grad=True)
    back = _joined_gradients(after, before, cotangent, differentiable=True)
    if not back.requires_grad:  # nothing depends on the states
        return torch.zeros_like(after)
    (products,) = torch.autograd.grad(back, cotangent, tangents)
    return products


@torch.enable_grad()
def _backward_product(step_states: Step, states: States, cotangent: Float[Tensor, "1 size"]) -> Float[Tensor, "1 size"]:
    """J^T u."""
    before = [state.detach().requires_grad_() for state in states]
    after = torch.cat(step_states(tuple(before)), dim=1)
    return _joined_gradients(after, before, cotangent, differentiable=False).detach()


def _joined_gradients(after: Tensor, before: list[Tensor], cotangent: Tensor, differentiable: bool) -> Tensor:
    gradients = torch.autograd.grad(after, before, cotangent, create_graph=differentiable, allow_unused=True)
    return torch.cat([torch.zeros_like(s) if g is None else g for s, g in zip(before, gradients, strict=True)], dim=1)
