"""Sequences of different lengths: batches of similar length, and one padded tensor for a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom_portable import batching

Source = Sequence[int] | NDArray[np.number]
"""Token ids with `<eos>`, or frames of numbers (time, size)."""

_WINDOW = 4_096
"""The number of sequences that are sorted by length at a time: enough for full batches, with little delay."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_batches(
    items: Iterable[Item],
    length: Callable[[Item], int],
    budget: int,
    run: Callable[[list[Item]], Iterable[Result]],
) -> Iterator[Result]:
    """Yields the result of each item, in the given order. `run` computes the results of items of similar `length`,
    whose elements with padding are at most `budget` unless there is only one. Items are read some thousands ahead."""
    stream = iter(items)
    while window := list(itertools.islice(stream, _WINDOW)):
        results: dict[int, Result] = {}
        # The longest first, so that a lack of memory shows early.
        for places in reversed(batching.group_by_length([length(item) for item in window], budget)):
            results |= zip(places, run([window[place] for place in places]), strict=True)
        yield from (results[place] for place in range(len(window)))


def padded_source(
    sources: Sequence[Source],
) -> tuple[Int[Tensor, "batch source"] | Float[Tensor, "batch source size"], Int[Tensor, " batch"]]:
    """The sources in one tensor, padded with `<pad>` or zeros, and their lengths."""
    elements, lengths = batching.padded_source(sources)
    return torch.from_numpy(elements), torch.from_numpy(lengths)
