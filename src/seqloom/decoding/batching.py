"""Sources of different lengths as one padded tensor."""

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


def padded_source(
    sources: Sequence[Source],
) -> tuple[Int[Tensor, "batch source"] | Float[Tensor, "batch source size"], Int[Tensor, " batch"]]:
    """The sources in one tensor, padded with `<pad>` or zeros, and their lengths."""
    lengths = np.array([len(source) for source in sources])
    first = sources[0]
    if isinstance(first, np.ndarray) and first.ndim == 2:
        elements = np.zeros((len(sources), lengths.max(), first.shape[1]), np.float32)
        for row, source in zip(elements, sources, strict=True):
            row[: len(source)] = source
    else:
        elements = padded(cast(Sequence[Sequence[int]], sources))
    return torch.from_numpy(elements), torch.from_numpy(lengths)
