"""Integrated gradients of functions whose integrals are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.explain.measures.attribution import integrated_gradients
from seqloom.explain.probes.probe import Attributable


def example(score: object, elements: Tensor) -> Attributable:
    return Attributable(["a", "b", "c"], "score", score, elements, torch.zeros_like(elements))  # type: ignore[arg-type]


def test_inputs_of_a_linear_score_get_what_they_add() -> None:
    weights = torch.tensor([1.0, -2.0, 0.5])
    elements = torch.tensor([[[3.0], [1.0], [4.0]]])
    attribution = integrated_gradients(example(lambda x: (x[:, :, 0] * weights).sum(), elements))
    assert attribution.weights == pytest.approx([3.0, -2.0, 2.0], rel=0.01)
    assert attribution.difference == pytest.approx(3.0)


def test_a_score_that_changes_almost_in_a_jump_is_weighed_in_full() -> None:
    """512 even steps saw nothing of a rise within a hundred-thousandth of the line."""
    elements = torch.tensor([[[3.0], [1.0], [4.0]]])
    attribution = integrated_gradients(example(lambda x: (20_000 * (x.sum((1, 2)) - 5)).sigmoid().sum(), elements))
    assert attribution.difference == pytest.approx(1.0)
    assert attribution.error <= 0.01
    assert attribution.steps <= 64
    assert attribution.weights == pytest.approx([3 / 8, 1 / 8, 4 / 8], rel=0.02)


def test_what_changes_close_to_the_baseline_is_not_missed() -> None:
    """Normalised inputs change within the first thousandth of the line. Evenly spaced steps missed half of it."""
    elements = torch.tensor([[[3.0, -1.0, 2.0, 0.5]] * 3]) * torch.tensor([1.0, 2.0, 3.0])[:, None]

    def score(inputs: Tensor) -> Tensor:
        return F.layer_norm(inputs, (4,)).select(2, 0).sum()

    attribution = integrated_gradients(example(score, elements))
    assert attribution.error <= 0.01
    assert attribution.steps <= 64
    assert sum(attribution.weights) == pytest.approx(attribution.difference, rel=0.01)
