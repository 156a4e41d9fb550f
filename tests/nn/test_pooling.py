"""Pooling: what a row's own vectors give, whatever stands in its padding; a layer in chunks is the layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.nn.chunked import run_chunked
from seqloom.nn.layer import layers, state_tensors
from seqloom.nn.pooling import AttentionPool, max_pool, mean_pool, sum_pool

LENGTHS = torch.tensor([3, 1, 5])
REAL = torch.arange(5) < LENGTHS[:, None]
CAUSAL = [name for name in layers if layers[name].causal]


@pytest.mark.parametrize(
    ("pool", "of_one"),
    [(mean_pool, lambda v: v.mean(0)), (sum_pool, lambda v: v.sum(0)), (max_pool, lambda v: v.amax(0))],
)
def test_a_row_is_pooled_as_if_alone(pool: Callable[..., Tensor], of_one: Callable[[Tensor], Tensor]) -> None:
    vectors = torch.randn(3, 5, 4)
    expected = torch.stack([of_one(vectors[row, :length]) for row, length in enumerate(LENGTHS)])
    torch.testing.assert_close(pool(vectors, REAL), expected)
    torch.testing.assert_close(pool(vectors.masked_fill(~REAL[:, :, None], 1e9), REAL), expected)
    assert not pool(vectors, torch.zeros_like(REAL)).any()


def attention() -> AttentionPool:
    pool = AttentionPool(4, 6)
    torch.nn.init.normal_(pool.query)
    return pool


def test_attention_is_shared_out_among_what_is_real() -> None:
    pool, vectors = attention(), torch.randn(3, 5, 4)
    pooled, weights = pool(vectors, REAL)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert not weights[~REAL].any()
    torch.testing.assert_close(pooled, (weights[:, :, None] * vectors).sum(1))
    for row, length in enumerate(LENGTHS):
        alone, own = pool(vectors[row : row + 1, :length], torch.ones(1, int(length), dtype=torch.bool))
        torch.testing.assert_close(alone[0], pooled[row])
        torch.testing.assert_close(own[0], weights[row, :length])


def test_attention_starts_as_the_mean() -> None:
    vectors = torch.randn(3, 5, 4)
    torch.testing.assert_close(AttentionPool(4, 6)(vectors, REAL)[0], mean_pool(vectors, REAL))


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 9])
@pytest.mark.parametrize("name", CAUSAL)
def test_a_layer_in_chunks_gives_what_it_gives_at_once(name: str, chunk_size: int) -> None:
    own: Any = layers[name].settings
    small = {"hidden_size": 4, "model_dim": 8, "num_heads": 2, "num_layers": 2, "output_size": 3, "order": 3}
    layer = layers[name](4, own(**{n: v for n, v in small.items() if n in own.model_fields})).double().eval()
    inputs = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    whole, state = layer(inputs, None, LENGTHS)
    parts, carried = run_chunked(layer, inputs, LENGTHS, chunk_size)
    torch.testing.assert_close(parts[REAL], whole[REAL])
    if name != "transformer":  # whose state may hold more padding
        for one, other in zip(state_tensors(carried), state_tensors(state), strict=True):
            torch.testing.assert_close(one, other)
    weight = torch.linspace(-1, 2, parts.shape[2], dtype=parts.dtype)  # a plain sum of normalised numbers is constant
    (gradient,) = torch.autograd.grad((parts[2, 4] * weight).sum(), inputs)
    begin = 4 // chunk_size * chunk_size
    assert gradient[2, begin:].any()
    assert not gradient[:, :begin].any()
