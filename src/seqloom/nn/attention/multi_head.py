"""Multi-head attention of a sequence to itself and to another, and rotary positions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.nn.matrix_product import Linear


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2) with rotary positions (Su et al. 2021)."""

    def __init__(self, model_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.project_in = Linear(model_dim, 3 * model_dim, bias=False)
        self.project_out = Linear(model_dim, model_dim, bias=False)

    def forward(
        self,
        inputs: Float[Tensor, "batch time model"],
        rotation: Float[Tensor, "2 _ 1 time head_dim"],
        past: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        causal: bool,
    ) -> tuple[Float[Tensor, "batch time model"], tuple[Tensor, Tensor]]:
        """The attention outputs, and all keys and values, those of `past` first.

        `mask` is True where a query may attend. `causal`, instead of a mask: no query attends to later positions.
        """
        batch, time, _ = inputs.shape
        projected = self.project_in(inputs).view(batch, time, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query_and_key, values = projected.split([2, 1])
        (query, key), value = rotate(query_and_key, rotation), values.squeeze(0)
        if past is not None and past[0].shape[2]:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        # No dropout of attention weights: it would rule out the fused kernel, which never stores them all.
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.project_out(attended.transpose(1, 2).flatten(2)), (key, value)


def has_self_attention(network: nn.Module) -> bool:
    return any(isinstance(module, SelfAttention) for module in network.modules())


class CrossAttention(nn.Module):
    """Multi-head attention to another sequence (Vaswani et al. 2017, section 3.2.3), whose keys and values are computed
    once."""

    def __init__(self, model_dim: int, num_heads: int, source_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.project_query = Linear(model_dim, model_dim, bias=False)
        self.project_key = Linear(source_size, model_dim, bias=False)
        self.project_value = Linear(source_size, model_dim, bias=False)
        self.project_out = Linear(model_dim, model_dim, bias=False)

    def read(
        self, source: Float[Tensor, "batch source size"]
    ) -> tuple[Float[Tensor, "batch heads source head_dim"], Float[Tensor, "batch heads source head_dim"]]:
        """The keys and values of a source."""
        return self._by_head(self.project_key(source)), self._by_head(self.project_value(source))

    def forward(
        self, inputs: Float[Tensor, "batch queries model"], keys: Tensor, values: Tensor, mask: Tensor
    ) -> Float[Tensor, "batch queries model"]:
        """The attention outputs. `mask` (batch, 1, 1, source) is True where queries may attend."""
        attended = F.scaled_dot_product_attention(
            self._by_head(self.project_query(inputs)), keys, values, attn_mask=mask
        )
        return self.project_out(attended.transpose(1, 2).flatten(2))

    def with_weights(
        self, inputs: Float[Tensor, "batch queries model"], keys: Tensor, values: Tensor, mask: Tensor
    ) -> tuple[Float[Tensor, "batch queries model"], Float[Tensor, "batch queries source"]]:
        """The attention outputs, and the attention weights averaged over the heads."""
        queries = self._by_head(self.project_query(inputs))
        scores = (queries * queries.shape[3] ** -0.5) @ keys.transpose(2, 3)
        weights = scores.masked_fill(~mask, float("-inf")).softmax(3)
        return self.project_out((weights @ values).transpose(1, 2).flatten(2)), weights.mean(1)

    def _by_head(self, vectors: Tensor) -> Float[Tensor, "batch heads time head_dim"]:
        return vectors.view(*vectors.shape[:2], self.num_heads, -1).transpose(1, 2)


def rotations(
    positions: Int[Tensor, "batch time"], head_dim: int, dtype: torch.dtype
) -> Float[Tensor, "2 batch 1 time head_dim"]:
    """The factors that `rotate` needs at each position: the cosines of its angles (for both halves of a vector) and the
    sines (negative for the first half). The base is 10,000. Angles are float64, because positions grow without
    limit."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float64, device=positions.device) / head_dim
    angles = positions[:, None, :, None] * 10_000.0**-exponent
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)]).to(dtype)


def rotate(
    vectors: Float[Tensor, "*several time head_dim"], rotation: Float[Tensor, "2 _ 1 time head_dim"]
) -> Float[Tensor, "*several time head_dim"]:
    """Rotates the pairs (first half, second half) of each vector by its position's angles (Su et al. 2021, eq. 34)."""
    cosine, sine = rotation
    return torch.addcmul(vectors * cosine, vectors.roll(vectors.shape[-1] // 2, dims=-1), sine)
