"""Integrated gradients of functions whose integrals are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.explain.measures.attribution import integrated_gradients
from seqloom.explain.probes.probe import Attributable


def example(score: Callable[[Tensor], Tensor], elements: Tensor) -> Attributable:
    return Attributable(
        ["a", "b", "c"], "score", nn.Identity(), lambda _, x: score(x), elements, torch.zeros_like(elements)
    )


def test_inputs_of_a_linear_score_get_what_they_add() -> None:
    weights = torch.tensor([1.0, -2.0, 0.5])
    elements = torch.tensor([[[3.0], [1.0], [4.0]]])
    attribution = integrated_gradients(example(lambda x: (x[:, :, 0] * weights).sum(1), elements))
    assert attribution.weights == pytest.approx([3.0, -2.0, 2.0], rel=0.01)
    assert attribution.difference == pytest.approx(3.0)


@pytest.mark.parametrize("steepness", [2e4, 2e9])
def test_a_score_that_changes_almost_in_a_jump_is_weighed_in_full(steepness: float) -> None:
    """512 even steps saw nothing of a rise within a hundred-thousandth of the line; float32 does not resolve one within
    a billionth."""
    elements = torch.tensor([[[3.0], [1.0], [4.0]]])
    attribution = integrated_gradients(example(lambda x: (steepness * (x.sum((1, 2)) - 5)).sigmoid(), elements))
    assert attribution.difference == pytest.approx(1.0)
    assert attribution.error <= 0.01
    assert attribution.steps <= 100
    assert attribution.weights == pytest.approx([3 / 8, 1 / 8, 4 / 8], rel=0.02)


def test_many_jumps_of_a_short_sequence_get_the_steps_that_they_need() -> None:
    elements = torch.tensor([[[3.0], [1.0], [4.0]]])
    jumps = torch.linspace(0.5, 7.5, 40)
    attribution = integrated_gradients(
        example(lambda x: (1e5 * (x.sum((1, 2))[:, None] - jumps)).sigmoid().sum(1), elements)
    )
    assert attribution.error <= 0.01
    assert attribution.steps > 512
    assert attribution.weights == pytest.approx([15, 5, 20], rel=0.02)


def test_what_changes_close_to_the_baseline_is_not_missed() -> None:
    """Normalised inputs change within the first thousandth of the line. Evenly spaced steps missed half of it."""
    elements = torch.tensor([[[3.0, -1.0, 2.0, 0.5]] * 3]) * torch.tensor([1.0, 2.0, 3.0])[:, None]

    def score(inputs: Tensor) -> Tensor:
        return F.layer_norm(inputs, (4,)).select(2, 0).sum(1)

    attribution = integrated_gradients(example(score, elements))
    assert attribution.error <= 0.01
    assert attribution.steps <= 64
    assert sum(attribution.weights) == pytest.approx(attribution.difference, rel=0.01)
