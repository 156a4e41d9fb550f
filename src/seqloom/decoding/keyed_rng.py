"""Random numbers that depend on a key alone, so that a row's samples do not depend on the other rows of its batch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_BITS = 23


def uniform(keys: Int[Tensor, "*rows"], count: int) -> Float[Tensor, "*rows {count}"]:
    """`count` numbers between 0 and 1, exclusive, for each key: the stream of SplitMix64 started from the key (Steele
    et al. 2014, figure 17; without the last shift, which does not reach the bits used)."""
    mixed = keys[..., None] + _GAMMA * torch.arange(1, count + 1, device=keys.device)
    for shift, factor in _MIX:
        # Torch's integers are signed, and shifting right copies the sign.
        mixed ^= (mixed >> shift) & (2 ** (64 - shift) - 1)
        mixed *= factor
    return ((mixed >> (64 - _BITS)) & (2**_BITS - 1)).float().add_(0.5).mul_(2.0**-_BITS)


def draw(probs: Float[Tensor, "*rows vocab"], keys: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
    """Samples a token for each row from its probabilities: exponential clocks run for all tokens, and the first wins.

    A different rounding of the probabilities changes a sample only if two clocks nearly tie, one time in a million. A
    search in the cumulative probabilities would change it at any of thousands of boundaries.
    """
    return (probs / -uniform(keys, probs.shape[-1]).log_()).argmax(-1)
