"""A memory that is read and written by attention, step by step in plain torch: the definition that the kernels keep to.

Graves, Wayne and Danihelka 2014, "Neural Turing Machines", section 3. A memory is (batch, width, locations): what the
paper calls the row M(i) is a column here, so that compiled loops run along the locations.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

NORM_FLOOR = 1e-8
"""Added, squared, to the square of every norm: the cosine of nothing is 0, and its gradient is finite."""

WEIGHT_FLOOR = 1e-30
"""Below this, a weight's logarithm is that of the floor, and no gradient flows."""


class Heads(NamedTuple):
    """How many heads there are, read heads first, and how large what they say is. `shifts` is odd."""

    width: int
    read: int
    write: int
    shifts: int

    @property
    def all(self) -> int:
        return self.read + self.write

    @property
    def address_size(self) -> int:
        """Numbers by which one head says where: key, strength, gate, shifts, sharpening."""
        return self.width + 3 + self.shifts

    @property
    def instruction_size(self) -> int:
        """Numbers that all heads say in a step: every one where; then of each write head what to erase and to add."""
        return self.all * self.address_size + self.write * 2 * self.width


class Instructions(NamedTuple):
    """What the heads say in a step (section 3.3). `keys` (batch, heads, width) in (-1, 1); `strengths`, `gates`,
    `sharpening` (batch, heads), over 0, in (0, 1) and over 1; `shifts` (batch, heads, shifts) sum to one; `erase` in
    (0, 1) and `add` in (-1, 1) are (batch, write, width)."""

    keys: Tensor
    strengths: Tensor
    gates: Tensor
    shifts: Tensor
    sharpening: Tensor
    erase: Tensor
    add: Tensor

    @classmethod
    def of(cls, raw: Float[Tensor, "batch instructions"], heads: Heads) -> Instructions:
        """From numbers of any size. Keys and what is added are squashed, so that a memory stays bounded."""
        batch, width = len(raw), heads.width
        where, what = raw.split_with_sizes([heads.all * heads.address_size, heads.write * 2 * width], dim=1)
        by_head = where.reshape(batch, heads.all, heads.address_size)
        parts = by_head.split_with_sizes([width, 1, 1, heads.shifts, 1], dim=2)
        keys, strengths, gates, shifts, sharpening = parts
        erase, add = what.reshape(batch, heads.write, 2, width).unbind(2)
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


def shifted(
    weights: Float[Tensor, "batch heads locations"], shifts: Float[Tensor, "batch heads shifts"]
) -> Float[Tensor, "batch heads locations"]:
    """Circular convolution: w~(i) = sum over j of w^g(j) s(i - j), for steps -n to n of 2n + 1 shifts (equation 8)."""
    half = shifts.shape[2] // 2
    moved = torch.stack([weights.roll(step, 2) for step in range(-half, half + 1)], dim=3)
    return (moved @ shifts[:, :, :, None]).squeeze(3)


def sharpened(
    weights: Float[Tensor, "batch heads locations"], sharpening: Float[Tensor, "batch heads"]
) -> Float[Tensor, "batch heads locations"]:
    """w(i) proportional to w~(i)^sharpening (equation 9), by logarithms: powers of small weights would vanish all."""
    return (sharpening[:, :, None] * weights.clamp(min=WEIGHT_FLOOR).log()).softmax(2)


def addressed(
    said: Instructions,
    memory: Float[Tensor, "batch width locations"],
    before: Float[Tensor, "batch heads locations"],
) -> Float[Tensor, "batch heads locations"]:
    """The weights of all heads: by content, or where they were before as far as the gate says
    (w^g = g w^c + (1 - g) w_before, equation 7), then shifted, then sharpened."""
    gates = said.gates[:, :, None]
    gated = gates * content_weights(said.keys, said.strengths, memory) + (1 - gates) * before
    return sharpened(shifted(gated, said.shifts), said.sharpening)


def written(
    said: Instructions,
    memory: Float[Tensor, "batch width locations"],
    weights: Float[Tensor, "batch write locations"],
) -> Float[Tensor, "batch width locations"]:
    """M~(i) = M(i) (1 - w(i) e) for every write head (equation 3), then M(i) = M~(i) + w(i) a (equation 4)."""
    for head in range(weights.shape[1]):
        memory = memory * (1 - said.erase[:, head, :, None] * weights[:, head, None])
    return memory + said.add.transpose(1, 2) @ weights


def read(
    memory: Float[Tensor, "batch width locations"], weights: Float[Tensor, "batch read locations"]
) -> Float[Tensor, "batch reads"]:
    """r = sum over i of w(i) M(i) of every read head (equation 2), side by side."""
    return (weights @ memory.transpose(1, 2)).flatten(1)
