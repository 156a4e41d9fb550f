"""Budgets, the learning rate along them, clipping, and what decays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqloom.config import build
from seqloom.errors import RequestError
from seqloom.training.budget import Budget, Progress
from seqloom.training.optimizers import SGD, AdamW, Group, Optimizer, make_optimizer, rate_factor, scale_and_clip
from seqloom.training.settings import TrainingSettings


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_rises_in_a_line_then_falls(schedule: str) -> None:
    settings = build(TrainingSettings, {"schedule": schedule, "warmup": 0.2})
    assert rate_factor(0.0, settings) == 0
    assert rate_factor(0.1, settings) == pytest.approx(0.5)
    assert rate_factor(0.2, settings) == pytest.approx(1)
    later = [rate_factor(0.2 + 0.01 * i, settings) for i in range(81)]
    assert all(a >= b for a, b in itertools.pairwise(later))
    assert later[40] == pytest.approx(1.0 if schedule == "constant" else 0.5)
    assert later[-1] == pytest.approx(1.0 if schedule == "constant" else 0.0, abs=1e-9)
    assert rate_factor(1.5, settings) == rate_factor(1.0, settings)


@given(st.integers(0, 200), st.integers(0, 99), st.sampled_from(["cosine", "linear", "wsd", "constant"]))
def test_the_rate_is_a_share(percent: int, warmup_percent: int, schedule: str) -> None:
    settings = build(TrainingSettings, {"schedule": schedule, "warmup": warmup_percent / 100})
    factor = rate_factor(percent / 100, settings)
    assert 0 <= factor <= 1


def test_wsd_is_constant_until_its_decay() -> None:
    settings = build(TrainingSettings, {"schedule": "wsd", "warmup": 0.1, "decay": 0.4})
    factors = [rate_factor(fraction, settings) for fraction in (0.05, 0.1, 0.35, 0.6, 0.8, 1.0)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 0.5, 0])


@pytest.mark.parametrize("clip_norm", [0.0, 0.1, 1e6])
def test_clipping_is_that_of_torch_on_mean_gradients(clip_norm: float) -> None:
    torch.manual_seed(1)
    parameters = [nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(2))]
    gradients = [torch.randn(3, 4) * 30, torch.randn(5) * 30]
    for parameter, gradient in zip(parameters, gradients, strict=False):  # the last one has none
        parameter.grad = gradient.clone()
    norm = scale_and_clip(parameters, 1 / 30, clip_norm)
    expected = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(expected, gradients, strict=True):
        parameter.grad = gradient / 30
    reference = nn.utils.clip_grad_norm_(expected, clip_norm or math.inf)
    assert norm == pytest.approx(float(reference), rel=1e-5)
    for parameter, other in zip(parameters, expected, strict=False):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_a_norm_that_is_not_finite_is_given_back() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([math.inf, 1.0])
    assert not math.isfinite(scale_and_clip([parameter], 1.0, 1.0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.start = nn.Parameter(torch.zeros(1, 2, 3))
        self.norm = nn.LayerNorm(3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_only_matrices_decay(optimizer: str) -> None:
    net = Net()
    made = make_optimizer(net, build(TrainingSettings, {"optimizer": optimizer, "weight_decay": 0.3}))
    decay = {id(p): group.weight_decay for group in made.groups for p in group.parameters}
    assert {name: decay[id(p)] for name, p in net.named_parameters()} == {
        "start": 0.0,
        "linear.weight": 0.3,
        "linear.bias": 0.0,
        "norm.weight": 0.0,
        "norm.bias": 0.0,
    }


OPTIMIZERS: dict[str, tuple[Callable[[list[Group]], Optimizer], Callable[[Any], torch.optim.Optimizer]]] = {
    "adamw": (
        lambda groups: AdamW(groups, 1e-3, 0.8, 0.95),
        lambda groups: torch.optim.AdamW(groups, 1e-3, betas=(0.8, 0.95), fused=True),
    ),
    "momentum": (lambda groups: SGD(groups, 0.1, 0.9), lambda groups: torch.optim.SGD(groups, 0.1, 0.9, fused=True)),
    "sgd": (lambda groups: SGD(groups, 0.1, 0.0), lambda groups: torch.optim.SGD(groups, 0.1, fused=True)),
}


def _parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(size, 3, generator=generator)) for size in (4, 5, 1, 70)]


def _set_gradients(parameters: Sequence[nn.Parameter], number: int) -> None:
    """Of update `number`."""
    generator = torch.Generator().manual_seed(number)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name: str) -> None:
    """Bit by bit, also when the state was saved between, and with a parameter that has no gradient at first (which
    torch does not support for momentum)."""
    ours, theirs, again = _parameters(), _parameters(), _parameters()
    make, make_theirs = OPTIMIZERS[name]
    optimizer, resumed = (make([Group(p[:2], 0.1), Group(p[2:], 0.0)]) for p in (ours, again))
    their_groups = [{"params": theirs[:2], "weight_decay": 0.1}, {"params": theirs[2:], "weight_decay": 0.0}]
    trained = [(ours, optimizer), (theirs, make_theirs(their_groups))]
    for number in range(6):
        if number == 3:
            resumed.load(optimizer.tensors())
            for old, new in zip(ours, again, strict=True):
                new.data.copy_(old)
            trained.append((again, resumed))
        for parameters, made in trained:
            _set_gradients(parameters, number)
            if number == 0 and name != "momentum":
                parameters[-1].grad = None
            made.step()
            made.zero_grad()
            assert all(parameter.grad is None for parameter in parameters)
    for one, other, third in zip(ours, theirs, again, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


def test_the_state_of_other_parameters_is_refused() -> None:
    optimizer = AdamW([Group(_parameters()[:2], 0.1)], 1e-3)
    for tensors, what in (
        ({"2.step": torch.zeros(())}, "no parameter"),
        ({"0.exp_avg": torch.zeros(7)}, "shape"),
        ({"0.momentum_buffer": torch.zeros(4, 3)}, "momentum_buffer"),
    ):
        with pytest.raises((ValueError, KeyError), match=what):
            optimizer.load(tensors)
    assert not optimizer.tensors()


def test_the_share_of_each_kind_of_budget() -> None:
    progress = Progress(epoch=1, updates=30, sequences=50, seconds=45.0)
    shares = {"minutes": 3.0, "epochs": 2.5, "sequences": 200, "updates": 60}
    spent = {name: build(Budget, {name: size}).fraction(progress, 0.5) for name, size in shares.items()}
    assert spent == {"minutes": 0.25, "epochs": 0.6, "sequences": 0.25, "updates": 0.5}


@pytest.mark.parametrize("given_budget", [{}, {"minutes": 1, "epochs": 1}, {"minutes": 0, "updates": 0}])
def test_a_budget_is_exactly_one(given_budget: dict[str, float]) -> None:
    with pytest.raises(RequestError) as refused:
        build(Budget, given_budget)
    assert "exactly one" in str(refused.value)


@pytest.mark.parametrize("name", ["minutes", "epochs", "sequences", "updates"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_budget_is_a_number_above_zero(name: str, value: float) -> None:
    with pytest.raises(RequestError) as refused:
        build(Budget, {name: value})
    assert refused.value.where == name
