"""The Neural Turing Machine: the kernels do what the definition says, the definition what the paper says, and nothing
in it fails in float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqloom.compiling import compiled
from seqloom.errors import RequestError
from seqloom.nn.kernels.exponential import exp, log
from seqloom.nn.layers.ntm import NTM, NTMSettings, NTMState
from seqloom.nn.ntm.addressing import Heads, Instructions, address, content_weights, read, sharpen, shift, write
from seqloom.nn.ntm.head_weights import record_weights

SMALL = {"hidden_size": 7, "memory_size": 9, "memory_width": 4}
KINDS: list[dict[str, Any]] = [
    {},
    {"controller": "feed-forward"},
    {"read_heads": 2, "write_heads": 3, "shifts": 5},
    {"memory_size": 2, "shifts": 5, "first_memory": "learned"},
    {"shifts": 1, "memory_size": 1},
    {"read_heads": 2, "write_heads": 2, "clip_derivatives": 0.02},
]


def build(kind: dict[str, Any], dtype: torch.dtype = torch.float64, noise: float = 0.3) -> NTM:
    torch.manual_seed(1)
    layer = NTM(3, NTMSettings(**{**SMALL, **kind})).to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return layer


def run(layer: NTM, fused: bool, inputs: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """Outputs and states of two calls in a row, and the gradients of all that they depend on."""
    layer.fused = fused
    layer.zero_grad()
    inputs = inputs.detach().requires_grad_()
    first, state = layer(inputs, None, lengths)
    second, last = layer(inputs, state)
    real = torch.ones(inputs.shape[:2], dtype=torch.bool)
    if lengths is not None:
        real = torch.arange(inputs.shape[1]) < lengths[:, None]
    found = [first[real], second, *last]
    torch.manual_seed(2)
    total = sum((part * torch.randn_like(part)).sum() for part in found)
    assert isinstance(total, Tensor)
    gradients = torch.autograd.grad(total, [inputs, *layer.parameters()])
    return [*(part.detach() for part in found), *gradients]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("lengths", [None, [5, 2, 0]], ids=str)
def test_the_kernels_do_what_the_definition_says(kind: dict[str, Any], lengths: list[int] | None) -> None:
    layer, inputs = build(kind), torch.randn(3, 5, 3, dtype=torch.float64)
    sizes = None if lengths is None else torch.tensor(lengths)
    for got, expected in zip(run(layer, True, inputs, sizes), run(layer, False, inputs, sizes), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS[:3], ids=str)
def test_the_kernels_do_so_in_single_precision(kind: dict[str, Any]) -> None:
    layer, inputs = build(kind, torch.float32), torch.randn(3, 5, 3)
    for got, expected in zip(run(layer, True, inputs, None), run(layer, False, inputs, None), strict=True):
        torch.testing.assert_close(got, expected, rtol=2e-3, atol=2e-4)


def test_derivatives_are_clipped_in_training_alone() -> None:
    exact, clipped = build({}), build({"clip_derivatives": 0.02})
    inputs = torch.randn(3, 5, 3, dtype=torch.float64)
    for fused in (True, False):
        gradients = [run(layer, fused, inputs, None)[-1] for layer in (exact, clipped)]
        assert gradients[1].abs().sum() < 0.5 * gradients[0].abs().sum()
        of_use = [run(layer.eval(), fused, inputs, None)[-1] for layer in (exact, clipped)]
        torch.testing.assert_close(of_use[1], of_use[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(of_use[0], gradients[0], rtol=1e-12, atol=1e-12)
        exact.train(), clipped.train()


def test_threads_change_nothing() -> None:
    layer, inputs = build({}), torch.randn(5, 4, 3, dtype=torch.float64)
    alone = run(layer, True, inputs, torch.tensor([4, 0, 3, 1, 2]))
    try:
        torch.set_num_threads(2)
        shared = run(layer, True, inputs, torch.tensor([4, 0, 3, 1, 2]))
    finally:
        torch.set_num_threads(1)
    for got, expected in zip(shared, alone, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_without_gradients_the_memory_is_kept_once_and_the_same() -> None:
    layer, inputs = build({"read_heads": 2}), torch.randn(3, 6, 3, dtype=torch.float64)
    lengths = torch.tensor([6, 0, 4])
    expected, after = layer(inputs, None, lengths)
    with torch.no_grad():
        got, state = layer(inputs, None, lengths)
    torch.testing.assert_close(got, expected)
    for part, other in zip(state, after, strict=True):
        torch.testing.assert_close(part, other)


def test_a_pass_leaves_the_parameters_alone() -> None:
    layer = build({})
    before = [parameter.clone() for parameter in layer.parameters()]
    layer(torch.randn(1, 1, 3, dtype=torch.float64))[0].sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))


def test_an_even_number_of_shifts_is_refused() -> None:
    with pytest.raises((RequestError, ValueError), match="odd number"):
        NTMSettings(shifts=4)


# The definition, equation by equation.


def test_content_weights_are_of_the_cosine_whatever_the_norms() -> None:
    memory = torch.tensor([[[2.0, 0.0, -1.0], [0.0, 5.0, -1.0]]])  # three locations of width two
    weights = content_weights(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[2.0]]), memory)
    cosines = torch.tensor([1.0, 0.0, -math.sqrt(0.5)])
    torch.testing.assert_close(weights[0, 0], (2 * cosines).softmax(0))


@pytest.mark.parametrize(("shifts", "moved"), [([1, 0, 0], 3), ([0, 1, 0], 0), ([0, 0, 1], 1), ([0, 0, 0, 0, 1], 2)])
def test_shifts_go_round(shifts: list[float], moved: int) -> None:
    weights = shift(torch.eye(4)[None, :1], torch.tensor([[shifts]], dtype=torch.float32))
    assert weights.argmax().item() == moved
    assert weights.sum() == 1


def test_sharpening_is_a_power() -> None:
    weights = torch.tensor([[[0.2, 0.5, 0.3]]])
    expected = weights**3 / (weights**3).sum()
    torch.testing.assert_close(sharpen(weights, torch.tensor([[3.0]])), expected)


def test_gates_choose_between_content_and_what_was_before() -> None:
    before = torch.tensor([[[0.0, 0.0, 1.0]]])
    instructions = Instructions(
        torch.tensor([[[1.0, 0.0]]]), torch.tensor([[50.0]]), torch.tensor([[1.0]]),
        torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[1.0]]), torch.zeros(1, 0, 2), torch.zeros(1, 0, 2),
    )  # fmt: skip
    memory = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]])
    assert address(instructions, memory, before).argmax() == 0
    assert address(instructions._replace(gates=torch.tensor([[0.0]])), memory, before).argmax() == 2


def test_writing_erases_and_adds_and_reading_finds_it() -> None:
    memory, at = torch.ones(1, 2, 3), torch.tensor([[[0.0, 1.0, 0.0]]])
    instructions = Instructions.from_raw(torch.zeros(1, Heads(2, 1, 1, 3).instruction_size), Heads(2, 1, 1, 3))
    instructions = instructions._replace(erase=torch.tensor([[[1.0, 0.0]]]), add=torch.tensor([[[0.5, 0.25]]]))
    after = write(instructions, memory, at)
    assert after[0].tolist() == [[1.0, 0.5, 1.0], [1.0, 1.25, 1.0]]
    assert read(after, at).tolist() == [[0.5, 1.25]]


def test_two_heads_that_write_erase_both_before_either_adds() -> None:
    memory, at = torch.ones(1, 1, 1), torch.ones(1, 2, 1)
    heads = Heads(1, 1, 2, 1)
    instructions = Instructions.from_raw(torch.zeros(1, heads.instruction_size), heads)
    instructions = instructions._replace(erase=torch.ones(1, 2, 1), add=torch.tensor([[[0.5], [0.25]]]))
    assert write(instructions, memory, at).item() == 0.75


# Single precision at its limits.


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("size", [1e2, 1e4])
@pytest.mark.parametrize("sign", [1, -1])
def test_saturated_instructions_leave_all_finite(fused: bool, size: float, sign: int) -> None:
    """Keys, strengths, gates, shifts and powers far beyond what their functions tell apart."""
    layer = build({}, torch.float32)
    layer.fused = fused
    with torch.no_grad():
        layer.head.bias.copy_(sign * size * torch.randn_like(layer.head.bias))
    inputs = torch.randn(2, 12, 3)
    outputs, state = layer(inputs)
    outputs.sum().backward()
    assert all(torch.isfinite(part).all() for part in (outputs, *state))
    assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters() if parameter.grad is not None)
    sums = state.weights.sum(2)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_nothing_has_a_direction_and_no_gradient_breaks(fused: bool) -> None:
    """A memory of zeros, and keys that are nothing but the bias: zero."""
    layer = build({}, torch.float32, noise=0.0)
    layer.fused = fused
    with torch.no_grad():
        layer.head.weight.zero_()
        layer.head.bias.zero_()
    first = layer.initial_state(2)
    memory = torch.zeros_like(first.memory).requires_grad_()
    outputs, state = layer(torch.randn(2, 3, 3), NTMState(memory, *first[1:]))
    (outputs.sum() + state.weights[:, :, 0].sum()).backward()
    assert torch.isfinite(outputs).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())
    assert memory.grad is not None
    assert torch.isfinite(memory.grad).all()


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_powers_of_small_weights_do_not_vanish_all(fused: bool) -> None:
    """w^200 of 64 equal weights is 1e-361 before it is divided by the sum."""
    layer = build({"memory_size": 64}, torch.float32, noise=0.0)
    layer.fused = fused
    with torch.no_grad():
        layer.head.weight.zero_()
        layer.head.bias[layer.heads.address_size - 1 :: layer.heads.address_size] = 199.0
        layer.weights_start.zero_()
    outputs, state = layer(torch.randn(1, 4, 3))
    outputs.sum().backward()
    torch.testing.assert_close(state.weights, torch.full_like(state.weights, 1 / 64))
    assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_what_is_not_a_number_stays_so(fused: bool) -> None:
    """The trainer looks for it."""
    layer = build({}, torch.float32)
    layer.fused = fused
    inputs = torch.randn(2, 3, 3)
    inputs[1, 1, 0] = float("nan")
    outputs, state = layer(inputs)
    assert torch.isfinite(outputs[0]).all()
    assert torch.isnan(outputs[1, 1:]).any(1).all()
    assert torch.isnan(state.memory[1]).any()


@compiled
def _exp_and_log(x: Any, powers: Any, logarithms: Any) -> None:
    for i in range(len(x)):
        powers[i] = exp(x[i])
        logarithms[i] = log(powers[i])


def test_exp_and_log_in_single_precision() -> None:
    x = np.linspace(-86, 86, 10_001).astype(np.float32)
    powers, logarithms = np.empty_like(x), np.empty_like(x)
    _exp_and_log(x, powers, logarithms)
    assert np.abs(powers / np.exp(x.astype(np.float64)) - 1).max() < 4e-7
    assert np.abs(logarithms - np.log(powers.astype(np.float64))).max() < 1e-5
    odd = np.array([np.nan, -200, 200, 0], np.float32)
    powers, logarithms = np.empty_like(odd), np.empty_like(odd)
    _exp_and_log(odd, powers, logarithms)
    assert np.isnan([powers[0], logarithms[0]]).all()
    assert 0 < powers[1] < 1e-37
    assert powers[3] == 1
    assert logarithms[3] == 0


# Where the heads looked.


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_weights_are_recorded_and_nothing_else_changes(fused: bool) -> None:
    layer, inputs = build({"read_heads": 2}), torch.randn(2, 5, 3, dtype=torch.float64)
    layer.fused = fused
    expected, state = layer(inputs)
    with record_weights(layer) as record:
        first, middle = layer(inputs[:, :2])
        second, _ = layer(inputs[:, 2:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected)
    weights = record[""]
    assert weights.shape == (2, 5, 3, 9)
    torch.testing.assert_close(weights[:, -1], state.weights)
    assert list(record) == [""]
    assert len(record) == 1
    layer(inputs)
    assert record[""].shape[1] == 5
