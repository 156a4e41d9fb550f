"""How far a model remembers: its loss as the context is cut to k elements, and where that curve flattens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import stdtrit

from seqloom.explain.probes.probe import Probe

TOLERANCE = 0.05
"""A curve is flat from where on at most this share of what the context gives in all is still to be gained."""

_RESAMPLES = 200
_SIGNIFICANT = 3.0
"""Standard errors from which on a gain is none of chance; the best of some twenty contexts is looked at."""
_LEVEL = 0.95


@dataclass(frozen=True)
class MemoryCurve:
    """`loss[i]`, from `low[i]` to `high[i]` with 95 % confidence, is the mean loss with contexts of `contexts[i]`
    elements. `gain`: the loss with the shortest context less that with the longest. `memory_length`: the first of
    `contexts` from which on the loss is within 5 % of the gain of its least; `memory_low` to `memory_high` is its 95 %
    interval, from examples drawn again. `gain_error` is the standard error of the gain."""

    unit: str
    score: str
    contexts: list[int]
    loss: list[float]
    low: list[float]
    high: list[float]
    gain: float
    gain_error: float
    memory_length: int
    memory_low: int
    memory_high: int
    examples: int

    @property
    def uses_context(self) -> bool:
        """Whether a longer context makes the loss smaller, beyond what may be chance."""
        return self.gain > 2 * self.gain_error

    @property
    def context_in_words(self) -> str:
        unit = self.unit.removesuffix("s") if self.memory_length == 1 else self.unit
        return f"{self.memory_length} {unit}"


def context_sizes(longest: int, smallest: int = 0) -> list[int]:
    """Every size up to 8, then four to each doubling up to 16 and two beyond; the longest at the end."""
    sizes = [*range(9), 10, 12, 14, *(round(16 * 2 ** (step / 2)) for step in range(17))]
    return [*(size for size in sizes if smallest <= size < longest), longest]


def memory_curve(probe: Probe) -> MemoryCurve:
    contexts = context_sizes(probe.longest, probe.smallest)
    return curve_of(contexts, np.stack([probe.losses(size) for size in contexts]), probe.unit, probe.score)


def curve_of(
    contexts: list[int], losses: Float[NDArray[np.float64], "contexts examples"], unit: str, score: str
) -> MemoryCurve:
    mean = losses.mean(1)
    examples = losses.shape[1]
    error = losses.std(1, ddof=1) / np.sqrt(examples) if examples > 1 else np.zeros(len(mean))
    width = error * (stdtrit(examples - 1, 0.5 + _LEVEL / 2) if examples > 1 else 0.0)
    rng = np.random.default_rng(0)
    best = losses[0] - losses[int(mean.argmin())]
    gains = examples > 1 and best.mean() > _SIGNIFICANT * best.std(ddof=1) / np.sqrt(examples)
    drawn = [0]
    if gains:
        drawn = [flat_from(losses[:, rng.integers(examples, size=examples)].mean(1)) for _ in range(_RESAMPLES)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    differences = losses[0] - losses[-1]
    gain_error = float(differences.std(ddof=1) / np.sqrt(examples)) if examples > 1 else 0.0
    return MemoryCurve(
        unit, score, contexts, mean.tolist(), (mean - width).tolist(), (mean + width).tolist(),
        float(differences.mean()), gain_error, contexts[flat_from(mean) if gains else 0], contexts[int(low)],
        contexts[int(np.ceil(high))], examples,
    )  # fmt: skip


def flat_from(mean: Float[NDArray[np.float64], " contexts"]) -> int:
    """The first index from which on the losses stay within `TOLERANCE` of the gain of their least. With no gain, 0."""
    gain = mean[0] - mean.min()
    if gain <= 0:
        return 0
    above = np.flatnonzero(mean - mean.min() > TOLERANCE * gain)
    # What rises again with longer contexts is no sign that they are needed: only what comes before the least counts.
    above = above[above < int(mean.argmin())]
    return int(above[-1]) + 1 if len(above) else 0
