"""The Transformer decoder: causal blocks that also attend to the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.models.decoder import Decoder
from seqloom.models.encoder import Encoded, Encoder
from seqloom.nn.attention.multi_head import CrossAttention
from seqloom.nn.dropout import FastDropout
from seqloom.nn.layer import State
from seqloom.nn.layers.transformer import Transformer, TransformerSettings, init_small


class SourceKeyValues(NamedTuple):
    """The keys and values of a source for cross-attention. `blocks`: those of each block (batch, heads, source,
    head_dim); `real`: (batch, 1, 1, source)."""

    blocks: tuple[tuple[Tensor, Tensor], ...]
    real: Tensor


class SourceAttention(nn.Module):
    """x + attention(norm(x), source), between the self-attention and the feed-forward network of a block."""

    def __init__(self, settings: TransformerSettings, source_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.model_dim)
        self.attention = CrossAttention(settings.model_dim, settings.num_heads, source_size)
        self.dropout = FastDropout(settings.dropout)

    def forward(
        self, source: tuple[Tensor, Tensor, Tensor], hidden: Tensor, weights: list[Tensor] | None = None
    ) -> Tensor:
        """`hidden` (batch * rows, time, model): the rows of a source are adjacent. `source`: keys, values and mask. The
        attention weights (batch, rows * time, source) are appended to `weights`, unless it is None."""
        queries = self.norm(hidden).view(len(source[0]), -1, hidden.shape[2])
        if weights is None:
            attended = self.attention(queries, *source)
        else:
            attended, attention_weights = self.attention.with_weights(queries, *source)
            weights.append(attention_weights)
        return self.dropout.add(hidden, attended.view_as(hidden))


class TransformerDecoder(Decoder):
    """Blocks of causal self-attention, attention to the source and a feed-forward network (Vaswani et al. 2017, section
    3.1), pre-norm and with rotary positions. The state is the cache of keys and values of the target.

    The attention weights are those of the last block, averaged over its heads.
    """

    def __init__(self, input_size: int, encoder: Encoder, settings: TransformerSettings) -> None:
        super().__init__()
        self.output_size = settings.model_dim
        self.stack = Transformer(input_size, settings)
        self.to_source = nn.ModuleList(
            SourceAttention(settings, encoder.output_size) for _ in range(settings.num_layers)
        )
        init_small(self.to_source, settings.num_layers)

    def read(self, encoded: Encoded) -> SourceKeyValues:
        read = tuple(attention.attention.read(encoded.outputs) for attention in self._attentions())
        return SourceKeyValues(read, encoded.real[:, None, None])

    def initial_state(self, source: State, rows: int) -> State:
        return self.stack.initial_state(len(source.real) * rows)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], source: State, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time output"]:
        return self.stack(inputs, None, lengths, self._between(source))[0]

    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], State, Float[Tensor, "batch rows source"]]:
        weights: list[Tensor] = []
        outputs, state = self.stack(inputs.flatten(0, 1)[:, None], state, None, self._between(source, weights))
        return outputs.view(*inputs.shape[:2], -1), state, weights[0]

    def _between(self, source: SourceKeyValues, weights: list[Tensor] | None = None) -> Sequence[partial[Tensor]]:
        """The source attention of each block; the last one appends its weights to `weights`."""
        pairs = zip(self._attentions(), source.blocks, strict=True)
        steps = [partial(attention, (*read, source.real)) for attention, read in pairs]
        return [*steps[:-1], partial(steps[-1], weights=weights)]

    def _attentions(self) -> Iterator[SourceAttention]:
        return cast("Iterator[SourceAttention]", iter(self.to_source))
