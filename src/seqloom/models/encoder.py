"""The encoder: token ids or frames are mapped to vectors, and any layer runs along them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqloom.nn.chunked import run_chunked
from seqloom.nn.layer import SequenceLayer, State, without_padding
from seqloom.nn.layers.recurrent import RecurrentStack


class Encoded(NamedTuple):
    """An encoded source. `elements`: (batch, source, input), which the layer reads; `outputs`: (batch, source, size);
    `real`: (batch, source), False in padding; `summary`: (batch, summary), one vector for the whole source."""

    elements: Tensor
    outputs: Tensor
    real: Tensor
    summary: Tensor


class Encoder(nn.Module):
    """`read` maps each element of the source to a vector, and `layer` runs along these.

    The summary is the last hidden state of a recurrent layer, of both directions if it is bidirectional (Cho et al.
    2014; Sutskever et al. 2014), and the mean of any other layer's outputs. A source without elements is read as one
    element of padding. `chunk_size`: the layer runs over this many elements at a time, and gradients stop between
    chunks; 0: over the whole sequence at once."""

    def __init__(self, read: nn.Module, layer: SequenceLayer, chunk_size: int = 0) -> None:
        super().__init__()
        self.chunk_size = chunk_size
        self.read, self.layer, self.output_size = read, layer, layer.output_size
        self.is_recurrent = isinstance(layer, RecurrentStack)
        self.summary_size = self.output_size
        if self.is_recurrent:
            self.summary_size = sum(hidden.shape[1] for hidden in self._last_hidden(layer.initial_state(1)))

    @property
    def reads_frames(self) -> bool:
        """Whether the elements of the source are vectors of numbers, and not token ids."""
        return isinstance(self._first(), nn.Linear)

    @property
    def source_size(self) -> int:
        """The number of token ids that it knows, or of numbers in a frame."""
        first: Any = self._first()
        return first.in_features if self.reads_frames else first.num_embeddings

    def _first(self) -> nn.Module:
        return self.read[0] if isinstance(self.read, nn.Sequential) else self.read

    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Encoded:
        if lengths is not None:
            lengths = lengths.clamp(min=1)
        real = _real(source, lengths)
        elements = self.read(without_padding(source, lengths) if source.is_floating_point() else source)
        if self.chunk_size:
            outputs, state = run_chunked(self.layer, elements, lengths, self.chunk_size)
        else:
            outputs, state = self.layer(elements, None, lengths)
        summary = torch.cat(self._last_hidden(state), dim=1) if self.is_recurrent else _mean(outputs, real)
        return Encoded(elements, outputs, real, summary)

    def _last_hidden(self, state: State) -> list[Float[Tensor, "batch size"]]:
        """The hidden state of the last layer, which is the first state of its cell, in each direction."""
        last = state[-1]
        return [last[0]] if self.layer.causal else [states[0] for states in last]


def _real(source: Tensor, lengths: Tensor | None) -> Bool[Tensor, "batch source"]:
    batch, size = source.shape[:2]
    if lengths is None:
        return torch.ones(batch, size, dtype=torch.bool, device=source.device)
    return torch.arange(size, device=source.device) < lengths[:, None]


def _mean(
    outputs: Float[Tensor, "batch source size"], real: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch size"]:
    total = outputs.masked_fill(~real[:, :, None], 0.0).sum(1)
    return total / real.sum(1, keepdim=True)
