"""A class for each of many sequences, those of like length read together; how sure a model may be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.decoding.alignment import Alignment
from seqloom.decoding.batching import Source, padded_source
from seqloom.models.class_model import ClassModel
from seqloom_portable.batching import group_by_length

_ELEMENTS_AT_ONCE = 16_000
"""Padding included, that are read together."""

_WINDOW = 4_096
"""Sequences that are brought into order of length at a time: enough for full batches, and a stream still flows."""

_COLDEST, _HOTTEST = 0.05, 20.0


class Decision(NamedTuple):
    """A class. `text` is its label, `score` the log of its `probability`; `alignment` where attention was asked for and
    the model pools by it: how much each element counted."""

    text: str
    probability: float
    score: float
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"label": self.text, "probability": round(self.probability, 6)}
        return plain if self.alignment is None else plain | {"alignment": self.alignment.to_json()}


class Decided(NamedTuple):
    """Of one sequence. `log_probs`: (classes,), in nats; `attention`: (length,), where there is any."""

    log_probs: NDArray[np.float32]
    attention: NDArray[np.float32] | None


def decide(model: ClassModel, rows: Sequence[Source], device: torch.device) -> Iterator[Decided]:
    """Yields what the model makes of each row of token ids or frames, in the order given."""
    numbers = iter(range(len(rows)))
    while window := list(itertools.islice(numbers, _WINDOW)):
        by_place: dict[int, Decided] = {}
        for group in group_by_length([len(rows[number]) for number in window], _ELEMENTS_AT_ONCE):
            places = [window[place] for place in group]
            by_place |= zip(places, _decide_batch(model, [rows[place] for place in places], device), strict=True)
        yield from (by_place[number] for number in window)


@torch.inference_mode()
def _decide_batch(model: ClassModel, rows: Sequence[Source], device: torch.device) -> list[Decided]:
    source, lengths = padded_source(rows)
    classified = model.log_probs(source.to(device), lengths.to(device))
    log_probs = classified.logits.cpu().numpy()
    if classified.attention is None:
        return [Decided(row, None) for row in log_probs]
    attention = classified.attention.float().cpu().numpy()
    return [
        Decided(row, weights[: len(source_row)])
        for row, weights, source_row in zip(log_probs, attention, rows, strict=True)
    ]


def fit_temperature(log_probs: Tensor, class_ids: Tensor) -> float:
    """What logits are to be divided by so that the classes of held-out examples are most probable (Guo et al. 2017).

    `log_probs`: (examples, classes), or logits; `class_ids`: (examples,). The logarithm of the temperature is held near
    0 as by a normal distribution of variance 1, so that a few examples, all of them right, do not make it certain of
    everything. Golden-section search in the logarithm, in which the loss has one minimum.
    """

    def loss(log_temperature: float) -> float:
        nats = torch.nn.functional.cross_entropy(log_probs / math.exp(log_temperature), class_ids, reduction="sum")
        return float(nats) + 0.5 * log_temperature**2

    log_probs = log_probs.double()
    low, high, ratio = math.log(_COLDEST), math.log(_HOTTEST), (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        lower, upper = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, upper) if loss(lower) < loss(upper) else (lower, high)
    return math.exp((low + high) / 2)
