"""Where a bottleneck begins: the loss of a target token by the length of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.explain.measures.onset import Onset, onset
from seqloom.explain.probes.translate import PairContexts
from seqloom.metrics.by_length import LengthScores, scores_by_length
from seqloom.run import Run
from seqloom.tasks.transduction import TransductionTask

_GROUPS = 6
_INTERVAL = 1.96
"""Standard errors."""


@dataclass(frozen=True)
class SourceLength:
    """`loss[i]`: nats per target token of the sources of about `lengths[i]` tokens, in groups of equal size. `begins`:
    the length of the longest third; `short` and `long`: the loss of the others and of it. Of each example, in the order
    of the data: the tokens of the source, the tokens of the target, and the nats of the whole target."""

    lengths: list[float]
    loss: list[float]
    begins: int
    short: float
    long: float
    attends: bool
    source_tokens: list[int]
    target_tokens: list[int]
    nats: list[float]

    @property
    def ratio(self) -> float:
        return self.long / max(self.short, 1e-9)


def source_length(probe: PairContexts) -> SourceLength | None:
    """None where all sources are equally long."""
    examples = probe.examples_by_length()
    lengths, nats = np.array(examples.source_tokens), np.array(examples.nats)
    if lengths.min() == lengths.max():
        return None
    losses = nats / np.array(examples.target_tokens)
    in_order = np.sort(lengths)
    is_long = lengths >= in_order[min(max(len(lengths) * 2 // 3, 1), len(lengths) - 1)]
    short = losses[~is_long] if (~is_long).any() else losses
    groups = by_length(lengths)
    return SourceLength(
        [float(lengths[g].mean()) for g in groups], [float(losses[g].mean()) for g in groups],
        int(lengths[is_long].min()), float(short.mean()), float(losses[is_long].mean()), probe.attends, *examples,
    )  # fmt: skip


def by_length(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The indices of the examples in groups of equal size, the shortest first."""
    return np.array_split(np.argsort(lengths, kind="stable"), min(_GROUPS, len(lengths)))


def translations_by_length(run: Run, data: Any) -> list[LengthScores]:
    """The scores of greedy search for some hundred sources, by the number of their words, or letters where the sources
    are single words (Cho et al. 2014, figure 4). Empty where all sources are equally long."""
    assert isinstance(run.task, TransductionTask)
    sources, hypotheses, references, tokens = run.task.decoded(run.trained, data, brief=True)
    lengths = [len(tokens(source)) for source in sources]
    if min(lengths) == max(lengths):
        return []
    return scores_by_length(sources, hypotheses, references, lengths, tokens)


@dataclass(frozen=True)
class Bottleneck:
    """How much more a target token costs without attention than with it: `costs[i]` nats, `low[i]` to `high[i]` with
    95 % confidence, at sources of about `lengths[i]` tokens. `onset`: from which length on that rises; None where the
    lengths hardly differ."""

    lengths: list[float]
    costs: list[float]
    low: list[float]
    high: list[float]
    onset: Onset | None


def bottleneck(without: SourceLength, attending: SourceLength) -> Bottleneck | None:
    """Of two models on the same examples; lengths and tokens are those of the one that attends, since tokenizers may
    differ. None where the examples are not the same, or too few for groups with an interval."""
    if len(without.nats) != len(attending.nats) or len(attending.nats) < 2 * _GROUPS:
        return None
    lengths, tokens = np.array(attending.source_tokens), np.array(attending.target_tokens, np.float64)
    costs = (np.array(without.nats) - np.array(attending.nats)) / tokens
    groups = by_length(lengths)
    means = np.array([np.average(costs[group], weights=tokens[group]) for group in groups])
    widths = np.array([_INTERVAL * _error(costs[group], tokens[group]) for group in groups])
    return Bottleneck(
        [float(lengths[group].mean()) for group in groups], means.tolist(), (means - widths).tolist(),
        (means + widths).tolist(), onset(lengths.astype(np.float64), costs, tokens),
    )  # fmt: skip


def _error(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The standard error of a weighted mean of independent values."""
    deviations = weights * (values - np.average(values, weights=weights))
    return float(np.sqrt((deviations**2).sum() * len(values) / (len(values) - 1)) / weights.sum())
