"""Classifies many sequences in batches of similar length, and fits the temperature of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqloom.decoding.alignment import Alignment, with_alignment
from seqloom.decoding.batching import Source, padded_source, run_in_batches
from seqloom.models.class_model import ClassModel
from seqloom.models.log_probabilities import log_odds

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
        plain = {"label": self.text, "probability": round(self.probability, 6)}
        return with_alignment(plain, self.alignment)


class LabelSet(NamedTuple):
    """The labels above their thresholds. `text`: the labels, as the data separates them; `probabilities`: of all
    labels, the most probable first; `score`: the log-probability that these labels hold, and no others."""

    text: str
    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    score: float
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        rounded = {label: round(probability, 6) for label, probability in self.probabilities.items()}
        plain = {"labels": list(self.labels), "probabilities": rounded}
        return with_alignment(plain, self.alignment)


class Number(NamedTuple):
    """A predicted number. There are no others to choose from, so its score is 0."""

    text: str
    number: float
    score: float = 0.0
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {"number": self.number}
        return with_alignment(plain, self.alignment)


class Decided(NamedTuple):
    """The result for one sequence. `outputs`: the log-probabilities of classes or labels in nats, or one number;
    `attention`: (length,), if the model has it."""

    outputs: NDArray[np.float32]
    attention: NDArray[np.float32] | None


def decide(model: ClassModel, rows: Sequence[Source], device: torch.device) -> Iterator[Decided]:
    """Yields the result for each row of token ids or frames, in the order of the rows."""
    return run_in_batches(rows, len, _ELEMENTS_AT_ONCE, lambda batch: _decide_batch(model, batch, device))


@torch.inference_mode()
def _decide_batch(model: ClassModel, rows: Sequence[Source], device: torch.device) -> list[Decided]:
    source, lengths = padded_source(rows)
    classified = model.answers(source.to(device), lengths.to(device))
    outputs = classified.logits.cpu().numpy()
    if classified.attention is None:
        return [Decided(row, None) for row in outputs]
    attention = classified.attention.float().cpu().numpy()
    return [
        Decided(row, weights[: len(source_row)])
        for row, weights, source_row in zip(outputs, attention, rows, strict=True)
    ]


def fit_temperature(log_probs: Tensor, class_ids: Tensor) -> float:
    """The temperature that maximises the likelihood of held-out examples when it divides the logits (Guo et al. 2017).

    `log_probs`: (examples, classes), or logits; `class_ids`: (examples,). A normal prior with variance 1 keeps the
    logarithm of the temperature near 0, so that a few examples, all of them right, do not make every probability 1.
    """
    log_probs = log_probs.double()
    return _best_temperature(lambda t: F.cross_entropy(log_probs / t, class_ids, reduction="sum"))


def fit_label_temperature(log_probs: Tensor, targets: Tensor) -> float:
    """The same for independent labels. `log_probs`: (examples, labels), of each label; `targets`: zeros and ones."""
    logits = log_odds(log_probs.double())
    return _best_temperature(
        lambda t: F.binary_cross_entropy_with_logits(logits / t, targets.double(), reduction="sum")
    )


def _best_temperature(nats: Callable[[float], Tensor]) -> float:
    """Golden-section search over the logarithm of the temperature, in which the loss has one minimum."""

    def loss(log_temperature: float) -> float:
        return float(nats(math.exp(log_temperature))) + 0.5 * log_temperature**2

    low, high, ratio = math.log(_COLDEST), math.log(_HOTTEST), (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        lower, upper = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, upper) if loss(lower) < loss(upper) else (lower, high)
    return math.exp((low + high) / 2)
