"""The gradient noise scale of gradients whose mean and variance are known."""

from __future__ import annotations

import pytest
import torch

from seqloom.explain.measures.noise_scale import GradientNoise


@pytest.mark.parametrize("sizes", [[50] * 200, [20, 80, 200, 40] * 50])
def test_it_is_the_variance_over_the_square_of_the_gradient(sizes: list[int]) -> None:
    """2,000 weights with a gradient of 0.1 and a variance of 4 for one target: 4 / 0.01 = 400 targets."""
    noise, generator = GradientNoise(), torch.Generator().manual_seed(1)
    for size in sizes:
        gradient = 0.1 + 2.0 * torch.randn(2_000, generator=generator) / size**0.5
        noise.count([gradient[:500], None, gradient[500:]], size)
    assert noise.scale() == pytest.approx(400, rel=0.05)
    assert noise.square_norms[0] == pytest.approx(2_000 * (0.01 + 4 / sizes[0]), rel=0.15)


def test_one_batch_does_not_tell() -> None:
    noise = GradientNoise()
    noise.count([torch.ones(3)], 10)
    assert noise.scale() is None


def test_equal_gradients_have_no_noise() -> None:
    noise = GradientNoise()
    for _ in range(3):
        noise.count([torch.ones(3)], 10)
    assert noise.scale() is None or noise.scale() == pytest.approx(0, abs=1e-6)
