"""Classifies many sequences in batches of similar length, and fits the temperature of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.decoding.alignment import Alignment
from seqloom.decoding.batching import Source, padded_source, run_in_batches
from seqloom.models.class_model import ClassModel

_ELEMENTS_AT_ONCE = 16_000
"""The number of elements in a batch, padding included."""

_COLDEST, _HOTTEST = 0.05, 20.0


class Decision(NamedTuple):
    """A class. `text` is its label, `score` the log of its `probability`; `alignment`: the weight of each element, if
    attention was requested and the model pools by it."""

    text: str
    probability: float
    score: float
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"label": self.text, "probability": round(self.probability, 6)}
        return plain if self.alignment is None else plain | {"alignment": self.alignment.to_json()}


class Decided(NamedTuple):
    """The result for one sequence. `log_probs`: (classes,), in nats; `attention`: (length,), if the model has it."""

    log_probs: NDArray[np.float32]
    attention: NDArray[np.float32] | None


def decide(model: ClassModel, rows: Sequence[Source], device: torch.device) -> Iterator[Decided]:
    """Yields the result for each row of token ids or frames, in the order of the rows."""
    return run_in_batches(rows, len, _ELEMENTS_AT_ONCE, lambda batch: _decide_batch(model, batch, device))


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
    """The temperature that maximises the likelihood of held-out examples when it divides the logits (Guo et al. 2017).

    `log_probs`: (examples, classes), or logits; `class_ids`: (examples,). A normal prior with variance 1 keeps the
    logarithm of the temperature near 0, so that a few examples, all of them right, do not make every probability 1.
    Golden-section search over the logarithm, in which the loss has one minimum.
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
