"""Layers over wide windows: as over copied windows, without the copies."""

from __future__ import annotations

import pytest
import torch

from seqloom.nn.layer import layers


@pytest.mark.parametrize("name", ["ar", "ffnn", "nnlm"])
def test_wide_windows_give_the_values_and_gradients_of_copied_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqloom.nn.layers import window

    layer = layers[name](3, layers[name].settings(order=41)).double()
    inputs = torch.randn(2, 60, 3, dtype=torch.float64, requires_grad=True)
    results = []
    for narrow in (8, 100):
        monkeypatch.setattr(window, "_NARROW", narrow)
        outputs, _ = layer(inputs)
        gradients = torch.autograd.grad(outputs.square().sum(), [inputs, *layer.parameters()])
        results.append([outputs, *gradients])
    for wide, copied in zip(*results, strict=True):
        torch.testing.assert_close(wide, copied)
