"""What a network makes of a sequence that it reads: what sentence vectors are taken from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.data.tokenizer import EOS, SOS


class EncodedSequence(NamedTuple):
    """`elements`: (batch, time, dim), the vector of each element on its own; `outputs`: (batch, time, size), what the
    layer gives at each; `real`: (batch, time), False in padding; `summary`: (batch, summary), the whole in one vector:
    a recurrent layer's last hidden state."""

    elements: Float[Tensor, "batch time dim"]
    outputs: Float[Tensor, "batch time size"]
    real: Bool[Tensor, "batch time"]
    summary: Float[Tensor, "batch summary"]


class Reads(Protocol):
    """A network that can say what it made of a sequence. Keeps no gradients."""

    def reading(
        self,
        source: Int[Tensor, "batch time"] | Float[Tensor, "batch time size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> EncodedSequence: ...


def real_tokens(
    token_ids: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
) -> Bool[Tensor, "batch time"]:
    """True at the tokens of a text: not in padding, nor at the `<sos>` and `<eos>` that a model may read with it, which
    would say the same of every text."""
    real = (token_ids != SOS) & (token_ids != EOS)
    if lengths is None:
        return real
    return real & (torch.arange(token_ids.shape[1], device=token_ids.device) < lengths[:, None])
