"""Finds the most probable extensions among allowed tokens: the part of a search whose cost grows with the
vocabulary."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BLOCK = 64
"""The number of tokens in a block, whose maximum is computed first; torch's top-k of all tokens would be slower."""


class Candidates(NamedTuple):
    """Extensions, best first: their `log_probs` with those of the tokens before, the `rows` they extend, the
    `tokens`."""

    log_probs: Float[Tensor, "batch width"]
    rows: Int[Tensor, "batch width"]
    tokens: Int[Tensor, "batch width"]


def most_probable(
    log_probs: Float[Tensor, "batch rows vocab"], totals: Float[Tensor, "batch rows"], width: int
) -> Candidates:
    """The `width` largest of `totals` + `log_probs` of each source.

    They lie in the `width` blocks with the largest maxima, so only these are searched: 0.6 ms instead of 4.3 for 400
    rows of 8,000 tokens (the output layer takes 10 to 20).
    """
    batch, rows, vocab = log_probs.shape
    blocks = vocab // _BLOCK
    if rows * blocks < 2 * width:
        best, places = (log_probs + totals[:, :, None]).flatten(1).topk(width)
        return Candidates(best, places // vocab, places % vocab)
    in_blocks = log_probs[:, :, : blocks * _BLOCK].view(batch, rows, blocks, _BLOCK)
    block = (in_blocks.amax(3) + totals[:, :, None]).flatten(1).topk(width, sorted=False).indices
    first = block // blocks * vocab + block % blocks * _BLOCK
    places = (first[:, :, None] + torch.arange(_BLOCK, device=first.device)).flatten(1)
    if vocab > blocks * _BLOCK:
        starts = torch.arange(rows, device=first.device) * vocab
        after_blocks = (starts[:, None] + torch.arange(blocks * _BLOCK, vocab, device=first.device)).flatten()
        places = torch.cat([places, after_blocks.expand(batch, -1)], dim=1)
    values = log_probs.flatten(1).gather(1, places) + totals.gather(1, places // vocab)
    best, order = values.topk(width)
    places = places.gather(1, order)
    return Candidates(best, places // vocab, places % vocab)


def restrict(
    log_probs: Float[Tensor, "batch rows vocab"], never: Int[Tensor, " excluded"], forced: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch rows vocab"]:
    """`log_probs`, overwritten: -inf for the tokens `never`, and for all but the token `forced` unless it is -1.

    The remaining log-probabilities do not change: a score is always the model's own.
    """
    if forced is None:
        return log_probs.index_fill_(2, never, -torch.inf)
    token = forced.clamp(min=0)[:, None, None].expand(-1, log_probs.shape[1], 1)
    forced_log_probs = log_probs.gather(2, token)
    log_probs.index_fill_(2, never, -torch.inf)
    bound = (forced >= 0)[:, None, None]
    forced_log_probs = forced_log_probs.where(bound, log_probs.gather(2, token))
    return log_probs.masked_fill_(bound, -torch.inf).scatter_(2, token, forced_log_probs)
