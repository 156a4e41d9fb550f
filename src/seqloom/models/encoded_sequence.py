"""The output of an encoder, from which sentence vectors are pooled."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.data.tokenizer import EOS, SOS


class EncodedSequence(NamedTuple):
    """`elements`: (batch, time, dim), the embedding of each element; `outputs`: (batch, time, size), the outputs of
    the layer; `real`: (batch, time), False in padding; `summary`: (batch, summary), the last hidden state of a
    recurrent layer, or another summary of the whole sequence."""

    elements: Float[Tensor, "batch time dim"]
    outputs: Float[Tensor, "batch time size"]
    real: Bool[Tensor, "batch time"]
    summary: Float[Tensor, "batch summary"]


class Reads(Protocol):
    """A network that returns an encoded sequence, without gradients."""

    def reading(
        self,
        source: Int[Tensor, "batch time"] | Float[Tensor, "batch time size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> EncodedSequence: ...


def real_tokens(
    token_ids: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
) -> Bool[Tensor, "batch time"]:
    """True at the tokens of a text; False in padding and at `<sos>` and `<eos>`, which are the same in every text."""
    real = (token_ids != SOS) & (token_ids != EOS)
    if lengths is None:
        return real
    return real & (torch.arange(token_ids.shape[1], device=token_ids.device) < lengths[:, None])
