"""Dropout from shared random bits: its rate, its scale, its gradient, and nothing of it in evaluation."""

from __future__ import annotations

import pytest
import torch

from seqloom.nn.bit_dropout import BitDropout


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_numbers_are_dropped_at_the_rate_and_the_mean_stays(rate: float) -> None:
    dropped = BitDropout(rate)(torch.ones(401, 499))
    assert abs(float((dropped == 0).float().mean()) - rate) < 0.01
    assert abs(float(dropped.mean()) - 1) < 0.02
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-3, atol=0.0)


def test_numbers_are_dropped_independently() -> None:
    """Those of one draw too."""
    kept = (BitDropout(0.5)(torch.ones(40_000, 8)) != 0).double()
    correlations = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlations.abs().max() < 0.03


def test_gradients_pass_where_numbers_did() -> None:
    inputs, branch = torch.randn(7, 9, requires_grad=True), torch.randn(7, 9, requires_grad=True)
    dropped = BitDropout(0.4)(branch)
    dropped.sum().backward()
    torch.testing.assert_close(branch.grad * branch, dropped.detach())
    branch.grad = None
    added = BitDropout(0.4).add(inputs, branch)
    added.sum().backward()
    torch.testing.assert_close(branch.grad * branch, (added - inputs).detach())
    assert torch.equal(inputs.grad, torch.ones(7, 9))


@pytest.mark.parametrize("dropout", [BitDropout(0.4).eval(), BitDropout(0.0)])
def test_without_training_or_a_rate_nothing_is_dropped(dropout: BitDropout) -> None:
    inputs, branch = torch.randn(2, 3), torch.randn(2, 3)
    assert dropout(inputs) is inputs
    assert torch.equal(dropout.add(inputs, branch), inputs + branch)


def test_precision_and_empty_inputs_are_kept() -> None:
    assert BitDropout(0.5)(torch.ones(3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert BitDropout(0.5)(torch.ones(0, 3)).shape == (0, 3)
