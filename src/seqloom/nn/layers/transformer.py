"""Transformers with pre-norm blocks and rotary positions: causal, with a cache of keys and values as the state, and
bidirectional."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.attention.multi_head import SelfAttention, rotations
from seqloom.nn.dropout import FastDropout
from seqloom.nn.layer import SequenceLayer, State, layers, without_padding
from seqloom.nn.matrix_product import Linear


class BlockSettings(Settings):
    size_settings: ClassVar = ("model_dim", "feed_forward_size")

    model_dim: int = Field(256, gt=0, le=2**16, description="dimension of the hidden vectors between blocks")
    num_layers: int = Field(4, gt=0, le=256, description="number of blocks")
    num_heads: int = Field(4, gt=0, le=1024, description="attention heads of a block; divides model_dim")
    feed_forward_size: int = Field(0, ge=0, le=2**18, description="hidden units of a block; 0 is 4 * model_dim")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="rate of dropout in a block",
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> BlockSettings:
        if self.model_dim % (2 * self.num_heads):
            raise ValueError(f"model_dim divisible by twice num_heads ({self.num_heads}), for rotary positions")
        return self


class TransformerSettings(BlockSettings):
    window: int = Field(0, ge=0, description="positions that a query attends to, its own included; 0 is all")


class KeyValueCache(NamedTuple):
    """The state of a causal Transformer. `keys`, `values`: (batch, blocks, heads, cached, head_dim); `real`: (batch,
    cached), False where a shorter row has no element; `position`: (batch,) the number of elements read so far."""

    keys: Tensor
    values: Tensor
    real: Tensor
    position: Tensor


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): a pre-norm block (Xiong et al. 2020)."""

    def __init__(self, settings: BlockSettings) -> None:
        super().__init__()
        width = settings.feed_forward_size or 4 * settings.model_dim
        self.attention_norm = nn.LayerNorm(settings.model_dim)
        self.attention = SelfAttention(settings.model_dim, settings.num_heads)
        self.net_norm = nn.LayerNorm(settings.model_dim)
        self.net = nn.Sequential(Linear(settings.model_dim, width), nn.GELU(), Linear(width, settings.model_dim))
        self.dropout = FastDropout(settings.dropout)

    def attend(
        self, inputs: Tensor, rotation: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None, causal: bool
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The attention half of the block, and the keys and values."""
        attended, present = self.attention(self.attention_norm(inputs), rotation, past, mask, causal)
        return self.dropout.add(inputs, attended), present

    def forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward half of the block, for each position separately."""
        return self.dropout.add(hidden, self.net(self.net_norm(hidden)))


def init_small(stack: nn.Module, depth: int) -> None:
    """Initialises weights from a normal distribution of variance 2 / (5 width) (Nguyen and Salazar 2019, "small init"),
    and scales the outputs of the residual branches down by the depth (Radford et al. 2019)."""
    for name, weight in stack.named_parameters():
        if weight.dim() == 2:
            is_branch_output = name.endswith(("project_out.weight", "net.2.weight"))
            std = (0.4 / min(weight.shape)) ** 0.5
            nn.init.normal_(weight, std=std / (2 * depth) ** 0.5 if is_branch_output else std)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)


class BlockStack(SequenceLayer):
    """A stack of blocks and a final norm."""

    family = "transformer"

    def __init__(self, input_size: int, settings: BlockSettings) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, settings.model_dim
        self.head_dim = settings.model_dim // settings.num_heads
        self.project = Linear(input_size, settings.model_dim) if input_size != settings.model_dim else nn.Identity()
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.num_layers))
        self.norm = nn.LayerNorm(settings.model_dim)
        self.dropout = FastDropout(settings.dropout)
        init_small(self, settings.num_layers)

    def iter_blocks(self) -> Iterator[Block]:
        return cast("Iterator[Block]", iter(self.blocks))


@layers.register("transformer")
class Transformer(BlockStack):
    """A stack of causal blocks and a final norm; a linear map comes first where the input size is not `model_dim`."""

    settings = TransformerSettings
    description = "A causal Transformer: each position attends to itself and to what came before."
    source = "Vaswani et al. 2017"

    def __init__(self, input_size: int, settings: TransformerSettings) -> None:
        super().__init__(input_size, settings)
        self.num_heads, self.window = settings.num_heads, settings.window

    def initial_state(self, batch_size: int) -> KeyValueCache:
        weight = self.norm.weight
        empty = weight.new_zeros(batch_size, len(self.blocks), self.num_heads, 0, self.head_dim)
        return KeyValueCache(
            empty,
            empty,
            torch.zeros(batch_size, 0, dtype=torch.bool, device=weight.device),
            torch.zeros(batch_size, dtype=torch.long, device=weight.device),
        )

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: KeyValueCache | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        between: Sequence[Callable[[Tensor], Tensor]] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], KeyValueCache]:
        """`between` has for each block a function to apply between self-attention and feed-forward network: attention
        to a source."""
        batch, time, _ = inputs.shape
        state = self.initial_state(batch) if state is None else state
        steps = torch.arange(time, device=inputs.device)
        real = steps < (lengths if lengths is not None else steps.new_full((batch,), time))[:, None]
        real = torch.cat([state.real, real], dim=1)
        cached = state.real.shape[1]
        # Padding follows the real elements, so a causal row with an empty cache needs no mask of its own; nor does a
        # single step that attends to everything.
        causal = not cached and not (0 < self.window < time)
        sees_all = time == 1 and not (0 < self.window <= cached) and bool(real.all())
        mask = None if causal or sees_all else self._mask(state.real, real, time)
        rotation = rotations(state.position[:, None] + steps, self.head_dim, inputs.dtype)
        hidden, presents = self.dropout(self.project(without_padding(inputs, lengths))), []
        for depth, block in enumerate(self.iter_blocks()):
            past = state.keys[:, depth], state.values[:, depth]
            hidden, present = block.attend(hidden, rotation, past, mask, causal=causal)
            hidden = block(hidden if between is None else between[depth](hidden))
            presents.append(present)
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*presents, strict=True))
        position = state.position + (time if lengths is None else lengths)
        return self.norm(hidden), self._update_cache(keys, values, real, position, lengths is None)

    def _mask(self, past: Tensor, real: Tensor, time: int) -> Bool[Tensor, "batch 1 time seen"]:
        """True where a query may attend: to real elements, not later than itself, within the window."""
        key_position = real.cumsum(1)  # the position of a real element among those of its row
        query_position = past.sum(1)[:, None] + 1 + torch.arange(time, device=real.device)
        distance = query_position[:, :, None] - key_position[:, None, :]
        allowed = (distance >= 0) & real[:, None, :]
        if self.window:
            allowed &= distance < self.window
        # Padding attends to itself: its output is ignored, but must be finite.
        itself = torch.arange(real.shape[1], device=real.device) == (
            past.shape[1] + torch.arange(time, device=real.device)[:, None]
        )
        return (allowed | itself)[:, None]

    def _update_cache(self, keys: Tensor, values: Tensor, real: Tensor, position: Tensor, full: bool) -> KeyValueCache:
        """The state after the inputs. Elements outside the window are dropped. Where rows have unequal lengths, the
        real elements are moved to the end, so that chunks of any lengths may follow."""
        if not full:
            order = real.long().argsort(dim=1, stable=True)
            real = real.gather(1, order)
            longest = int(real.any(0).sum())
            order, real = order[:, order.shape[1] - longest :], real[:, real.shape[1] - longest :]
            index = order[:, None, None, :, None].expand(-1, keys.shape[1], keys.shape[2], -1, keys.shape[4])
            keys, values = keys.gather(3, index), values.gather(3, index)
        if self.window and real.shape[1] > self.window - 1:
            first = real.shape[1] - (self.window - 1)
            keys, values, real = keys[:, :, :, first:], values[:, :, :, first:], real[:, first:]
        return KeyValueCache(keys, values, real, position)


@layers.register("bitransformer")
class BidirectionalTransformer(BlockStack):
    """A stack of blocks in which every position attends to the whole sequence, and a final norm. The state is empty."""

    settings = BlockSettings
    description = "A bidirectional Transformer: each position attends to the whole sequence."
    source = "Vaswani et al. 2017; Devlin et al. 2019"
    causal = False

    def initial_state(self, batch_size: int) -> State:  # noqa: ARG002
        return ()

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,  # noqa: ARG002
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        # A row without elements attends to its first one: its outputs are ignored, but must be finite.
        mask = None if lengths is None else (steps < lengths.clamp(min=1)[:, None])[:, None, None]
        rotation = rotations(steps[None], self.head_dim, inputs.dtype)
        hidden = self.dropout(self.project(without_padding(inputs, lengths)))
        for block in self.iter_blocks():
            hidden, _ = block.attend(hidden, rotation, None, mask, causal=False)
            hidden = block(hidden)
        return self.norm(hidden), ()
