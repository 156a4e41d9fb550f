"""Sequences of like length together, so that little is padding. Knows nothing of what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import padded

Source = Sequence[int] | NDArray[np.number]
"""Token ids with `<eos>`, or frames of numbers (time, size)."""


def group_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """The places of `lengths` in groups of like length; a group of several takes at most `budget`, padding included."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        # In order of length, the newest is the group's longest.
        if groups and (len(groups[-1]) + 1) * lengths[place] <= budget:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def padded_source(
    sources: Sequence[Source],
) -> tuple[Int[Tensor, "batch source"] | Float[Tensor, "batch source size"], Int[Tensor, " batch"]]:
    """The sources in one, with `<pad>` or zeros after each one's end, and their lengths."""
    lengths = np.array([len(source) for source in sources])
    first = sources[0]
    if isinstance(first, np.ndarray) and first.ndim == 2:
        elements = np.zeros((len(sources), lengths.max(), first.shape[1]), np.float32)
        for row, source in zip(elements, sources, strict=True):
            row[: len(source)] = source
    else:
        elements = padded(cast(Sequence[Sequence[int]], sources))
    return torch.from_numpy(elements), torch.from_numpy(lengths)
