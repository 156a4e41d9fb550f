"""Random numbers that hang on a key alone, and not on what else is drawn: rows of a batch do not know each other."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_BITS = 23


def uniform(keys: Int[Tensor, "*rows"], count: int) -> Float[Tensor, "*rows {count}"]:
    """`count` numbers for each key, between 0 and 1 and neither of them: the stream that SplitMix64 starts from it
    (Steele et al. 2014, figure 17; the last shift does not reach the bits that are used)."""
    mixed = keys[..., None] + _GAMMA * torch.arange(1, count + 1, device=keys.device)
    for shift, factor in _MIX:
        # Torch's integers have a sign, which a shift to the right copies.
        mixed ^= (mixed >> shift) & (2 ** (64 - shift) - 1)
        mixed *= factor
    return ((mixed >> (64 - _BITS)) & (2**_BITS - 1)).float().add_(0.5).mul_(2.0**-_BITS)


def draw(probs: Float[Tensor, "*rows vocab"], keys: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
    """For each row a token with its probability: the first to arrive of as many exponential clocks.

    Another rounding of the probabilities changes the outcome where two arrive together, one time in a million. A search
    of the summed probabilities for one random number would do so at each of thousands of boundaries.
    """
    return (probs / -uniform(keys, probs.shape[-1]).log_()).argmax(-1)
