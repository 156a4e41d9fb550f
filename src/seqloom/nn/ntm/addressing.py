"""Reading and writing a memory by attention, in plain torch: the reference for the compiled kernels.

Graves, Wayne and Danihelka 2014, "Neural Turing Machines", section 3. A memory is (batch, width, locations): the row
M(i) of the paper is a column here, so that compiled loops run along the locations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

NORM_FLOOR = 1e-8
"""Its square is added to the square of every norm, so that the cosine of a zero vector is 0 and its gradient finite."""

WEIGHT_FLOOR = 1e-30
"""A smaller weight is replaced by this before the logarithm, and has no gradient."""


class Heads(NamedTuple):
    """The number of heads, read heads first, and the sizes of their instructions. `shifts` is odd."""

    width: int
    read: int
    write: int
    shifts: int

    @property
    def all(self) -> int:
        return self.read + self.write

    @property
    def address_size(self) -> int:
        """Size of the address of one head: key, strength, gate, shifts, sharpening."""
        return self.width + 3 + self.shifts

    @property
    def instruction_size(self) -> int:
        """Size of the instructions of all heads in a step: the address of each, then the erase and add vectors of each
        write head."""
        return self.all * self.address_size + self.write * 2 * self.width


class Instructions(NamedTuple):
    """The instructions of the heads in a step (section 3.3). `keys` (batch, heads, width) in (-1, 1); `strengths`,
    `gates`, `sharpening` (batch, heads), over 0, in (0, 1) and over 1; `shifts` (batch, heads, shifts) sum to one;
    `erase` in (0, 1) and `add` in (-1, 1) are (batch, write, width)."""

    keys: Tensor
    strengths: Tensor
    gates: Tensor
    shifts: Tensor
    sharpening: Tensor
    erase: Tensor
    add: Tensor

    @classmethod
    def from_raw(cls, raw: Float[Tensor, "batch instructions"], heads: Heads) -> Instructions:
        """From unbounded numbers. Keys and add vectors pass through tanh, so that the memory stays bounded."""
        batch, width = len(raw), heads.width
        addresses, writes = raw.split_with_sizes([heads.all * heads.address_size, heads.write * 2 * width], dim=1)
        by_head = addresses.reshape(batch, heads.all, heads.address_size)
        parts = by_head.split_with_sizes([width, 1, 1, heads.shifts, 1], dim=2)
        keys, strengths, gates, shifts, sharpening = parts
        erase, add = writes.reshape(batch, heads.write, 2, width).unbind(2)
        return cls(
            keys.tanh(),
            F.softplus(strengths).squeeze(2),
            gates.sigmoid().squeeze(2),
            shifts.softmax(2),
            1 + F.softplus(sharpening).squeeze(2),
            erase.sigmoid(),
            add.tanh(),
        )


def content_weights(
    keys: Float[Tensor, "batch heads width"],
    strengths: Float[Tensor, "batch heads"],
    memory: Float[Tensor, "batch width locations"],
) -> Float[Tensor, "batch heads locations"]:
    """w^c(i) proportional to exp(strength K[k, M(i)]) (equation 5), K the cosine (equation 6)."""
    key_norms = (keys.square().sum(2, keepdim=True) + NORM_FLOOR**2).sqrt()
    norms = (memory.square().sum(1, keepdim=True) + NORM_FLOOR**2).sqrt()
    return (strengths[:, :, None] * ((keys @ memory) / key_norms / norms)).softmax(2)


def shift(
    weights: Float[Tensor, "batch heads locations"], shifts: Float[Tensor, "batch heads shifts"]
) -> Float[Tensor, "batch heads locations"]:
    """Circular convolution: w~(i) = sum over j of w^g(j) s(i - j), for steps -n to n of 2n + 1 shifts (equation 8)."""
    half = shifts.shape[2] // 2
    rolled = torch.stack([weights.roll(step, 2) for step in range(-half, half + 1)], dim=3)
    return (rolled @ shifts[:, :, :, None]).squeeze(3)


def sharpen(
    weights: Float[Tensor, "batch heads locations"], sharpening: Float[Tensor, "batch heads"]
) -> Float[Tensor, "batch heads locations"]:
    """w(i) proportional to w~(i)^sharpening (equation 9), by logarithms: all powers of small weights might
    underflow."""
    return (sharpening[:, :, None] * weights.clamp(min=WEIGHT_FLOOR).log()).softmax(2)


def address(
    instructions: Instructions,
    memory: Float[Tensor, "batch width locations"],
    previous: Float[Tensor, "batch heads locations"],
) -> Float[Tensor, "batch heads locations"]:
    """The weights of all heads: content weights interpolated with the previous weights by the gate
    (w^g = g w^c + (1 - g) w_{t-1}, equation 7), then shifted, then sharpened."""
    gates = instructions.gates[:, :, None]
    gated = gates * content_weights(instructions.keys, instructions.strengths, memory) + (1 - gates) * previous
    return sharpen(shift(gated, instructions.shifts), instructions.sharpening)


def write(
    instructions: Instructions,
    memory: Float[Tensor, "batch width locations"],
    weights: Float[Tensor, "batch write locations"],
) -> Float[Tensor, "batch width locations"]:
    """M~(i) = M(i) (1 - w(i) e) for every write head (equation 3), then M(i) = M~(i) + w(i) a (equation 4)."""
    for head in range(weights.shape[1]):
        memory = memory * (1 - instructions.erase[:, head, :, None] * weights[:, head, None])
    return memory + instructions.add.transpose(1, 2) @ weights


def read(
    memory: Float[Tensor, "batch width locations"], weights: Float[Tensor, "batch read locations"]
) -> Float[Tensor, "batch reads"]:
    """r = sum over i of w(i) M(i) of every read head (equation 2), side by side."""
    return (weights @ memory.transpose(1, 2)).flatten(1)
