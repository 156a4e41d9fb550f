"""Transformers: pre-norm blocks and rotary positions; causal, with keys and values seen so far as the state, and both
ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.bit_dropout import BitDropout
from seqloom.nn.layer import SequenceLayer, State, layers, without_padding
from seqloom.nn.matrix_product import Linear
from seqloom.nn.multi_head import SelfAttention, rotations


class BlockSettings(Settings):
    model_dim: int = Field(256, gt=0, le=2**16, description="numbers a position, between blocks")
    num_layers: int = Field(4, gt=0, le=256, description="blocks")
    num_heads: int = Field(4, gt=0, le=1024, description="attention heads a block; divides model_dim")
    feed_forward_size: int = Field(0, ge=0, le=2**18, description="hidden units of a block's net; 0 is 4 * model_dim")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of dropout in a block")

    @model_validator(mode="after")
    def _heads_fit(self) -> BlockSettings:
        if self.model_dim % (2 * self.num_heads):
            raise ValueError(f"model_dim divisible by twice num_heads ({self.num_heads}), for rotary positions")
        return self


class TransformerSettings(BlockSettings):
    window: int = Field(0, ge=0, description="positions a query sees, its own included; 0 is all")


class Memory(NamedTuple):
    """What a Transformer has seen. `keys`, `values`: (batch, blocks, heads, seen, head_dim); `real`: (batch, seen),
    False where a shorter row has nothing; `position`: (batch,) elements seen in all."""

    keys: Tensor
    values: Tensor
    real: Tensor
    position: Tensor


class Block(nn.Module):
    """x + attention(norm(x)), then x + net(norm(x)): pre-norm (Xiong et al. 2020)."""

    def __init__(self, settings: BlockSettings) -> None:
        super().__init__()
        width = settings.feed_forward_size or 4 * settings.model_dim
        self.attention_norm = nn.LayerNorm(settings.model_dim)
        self.attention = SelfAttention(settings.model_dim, settings.num_heads)
        self.net_norm = nn.LayerNorm(settings.model_dim)
        self.net = nn.Sequential(Linear(settings.model_dim, width), nn.GELU(), Linear(width, settings.model_dim))
        self.dropout = BitDropout(settings.dropout)

    def attend(
        self, inputs: Tensor, rotation: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None, causal: bool
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The first half, and the keys and values."""
        attended, present = self.attention(self.attention_norm(inputs), rotation, past, mask, causal)
        return self.dropout.add(inputs, attended), present

    def forward(self, hidden: Tensor) -> Tensor:
        """The second half, of each position on its own."""
        return self.dropout.add(hidden, self.net(self.net_norm(hidden)))


def start_small(stack: nn.Module, depth: int) -> None:
    """Normal weights of variance 2 / (5 width) (Nguyen and Salazar 2019, "small init"), and what a block adds scaled
    down by the depth (Radford et al. 2019)."""
    for name, weight in stack.named_parameters():
        if weight.dim() == 2:
            adds = name.endswith(("project_out.weight", "net.2.weight"))
            std = (0.4 / min(weight.shape)) ** 0.5
            nn.init.normal_(weight, std=std / (2 * depth) ** 0.5 if adds else std)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)


class BlockStack(SequenceLayer):
    """Blocks one on the other, and a final norm."""

    def __init__(self, input_size: int, settings: BlockSettings) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, settings.model_dim
        self.head_dim = settings.model_dim // settings.num_heads
        self.project = Linear(input_size, settings.model_dim) if input_size != settings.model_dim else nn.Identity()
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.num_layers))
        self.norm = nn.LayerNorm(settings.model_dim)
        self.dropout = BitDropout(settings.dropout)
        start_small(self, settings.num_layers)

    def each_block(self) -> Iterator[Block]:
        return cast("Iterator[Block]", iter(self.blocks))


@layers.register("transformer")
class Transformer(BlockStack):
    """A stack of causal blocks and a final norm; where the input size is not `model_dim`, a linear map comes first."""

    settings = TransformerSettings
    description = "A causal Transformer: each position attends to itself and to what came before."
    source = "Vaswani et al. 2017"

    def __init__(self, input_size: int, settings: TransformerSettings) -> None:
        super().__init__(input_size, settings)
        self.num_heads, self.window = settings.num_heads, settings.window

    def initial_state(self, batch_size: int) -> Memory:
        weight = self.norm.weight
        nothing = weight.new_zeros(batch_size, len(self.blocks), self.num_heads, 0, self.head_dim)
        return Memory(
            nothing,
            nothing,
            torch.zeros(batch_size, 0, dtype=torch.bool, device=weight.device),
            torch.zeros(batch_size, dtype=torch.long, device=weight.device),
        )

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: Memory | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        between: Sequence[Callable[[Tensor], Tensor]] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], Memory]:
        """`between` has for each block what comes between its attention and its net: attention to a source."""
        batch, time, _ = inputs.shape
        state = self.initial_state(batch) if state is None else state
        steps = torch.arange(time, device=inputs.device)
        real = steps < (lengths if lengths is not None else steps.new_full((batch,), time))[:, None]
        real = torch.cat([state.real, real], dim=1)
        seen = state.real.shape[1]
        # Padding follows what is real, so a causal row that starts from nothing needs no mask of its own; nor does a
        # single step that sees all there is.
        causal = not seen and not (0 < self.window < time)
        sees_all = time == 1 and not (0 < self.window <= seen) and bool(real.all())
        mask = None if causal or sees_all else self._mask(state.real, real, time)
        rotation = rotations(state.position[:, None] + steps, self.head_dim, inputs.dtype)
        hidden, presents = self.dropout(self.project(without_padding(inputs, lengths))), []
        for depth, block in enumerate(self.each_block()):
            past = state.keys[:, depth], state.values[:, depth]
            hidden, present = block.attend(hidden, rotation, past, mask, causal=causal)
            hidden = block(hidden if between is None else between[depth](hidden))
            presents.append(present)
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*presents, strict=True))
        position = state.position + (time if lengths is None else lengths)
        return self.norm(hidden), self._remember(keys, values, real, position, lengths is None)

    def _mask(self, past: Tensor, real: Tensor, time: int) -> Bool[Tensor, "batch 1 time seen"]:
        """True where a query may look: at real elements, none later than itself, within the window."""
        order = real.cumsum(1)  # a real element's place among the row's real ones
        place = past.sum(1)[:, None] + 1 + torch.arange(time, device=real.device)
        distance = place[:, :, None] - order[:, None, :]
        visible = (distance >= 0) & real[:, None, :]
        if self.window:
            visible &= distance < self.window
        # What follows a row's end sees itself: its output means nothing, but must be a number.
        own = torch.arange(real.shape[1], device=real.device) == (
            past.shape[1] + torch.arange(time, device=real.device)[:, None]
        )
        return (visible | own)[:, None]

    def _remember(self, keys: Tensor, values: Tensor, real: Tensor, position: Tensor, full: bool) -> Memory:
        """The state after the inputs: what a window no longer reaches is forgotten, and where rows are ragged what is
        real is moved to the end, so that chunks of any lengths may follow."""
        if not full:
            order = real.long().argsort(dim=1, stable=True)
            real = real.gather(1, order)
            keep = int(real.any(0).sum())
            order, real = order[:, order.shape[1] - keep :], real[:, real.shape[1] - keep :]
            index = order[:, None, None, :, None].expand(-1, keys.shape[1], keys.shape[2], -1, keys.shape[4])
            keys, values = keys.gather(3, index), values.gather(3, index)
        if self.window and real.shape[1] > self.window - 1:
            first = real.shape[1] - (self.window - 1)
            keys, values, real = keys[:, :, :, first:], values[:, :, :, first:], real[:, first:]
        return Memory(keys, values, real, position)


@layers.register("bitransformer")
class BidirectionalTransformer(BlockStack):
    """A stack of blocks in which every position sees all, and a final norm. It needs the whole sequence, so there is
    nothing to remember: the state is empty."""

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
        # A row without elements sees its first: its outputs mean nothing, but must be numbers.
        mask = None if lengths is None else (steps < lengths.clamp(min=1)[:, None])[:, None, None]
        rotation = rotations(steps[None], self.head_dim, inputs.dtype)
        hidden = self.dropout(self.project(without_padding(inputs, lengths)))
        for block in self.each_block():
            hidden, _ = block.attend(hidden, rotation, None, mask, causal=False)
            hidden = block(hidden)
        return self.norm(hidden), ()
