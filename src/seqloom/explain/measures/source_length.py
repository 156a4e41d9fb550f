"""Where a bottleneck begins: the loss of a target token by the length of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.explain.probes.translate import PairContexts
from seqloom.metrics.by_length import LengthScores, scores_by_length
from seqloom.run import Run
from seqloom.tasks.transduction import TransductionTask

_GROUPS = 6
_SIGNIFICANT = 2.0
"""Standard errors."""


@dataclass(frozen=True)
class SourceLength:
    """`loss[i]`: nats per target token of the sources of about `lengths[i]` tokens, in groups of equal size. `begins`:
    the length of the longest third; `short` and `long`: the loss of the others and of it. `by_example`: the loss of
    each example, the shortest source first."""

    lengths: list[float]
    loss: list[float]
    begins: int
    short: float
    long: float
    attends: bool
    by_example: list[float]

    @property
    def ratio(self) -> float:
        return self.long / max(self.short, 1e-9)

    @property
    def groups(self) -> list[NDArray[np.float64]]:
        """The losses of the examples of each group."""
        return np.array_split(np.array(self.by_example), len(self.lengths))


def source_length(probe: PairContexts) -> SourceLength | None:
    """None where all sources are equally long."""
    by_length = sorted(probe.losses_by_length(), key=lambda pair: pair[0])
    lengths, losses = (np.array(part) for part in zip(*by_length, strict=True))
    if lengths[0] == lengths[-1]:
        return None
    groups = np.array_split(np.arange(len(lengths)), min(_GROUPS, len(lengths)))
    third = max(len(lengths) * 2 // 3, 1)
    is_long = lengths >= lengths[min(third, len(lengths) - 1)]
    short = losses[~is_long] if (~is_long).any() else losses
    return SourceLength(
        [float(lengths[g].mean()) for g in groups], [float(losses[g].mean()) for g in groups],
        int(lengths[is_long].min()), float(short.mean()), float(losses[is_long].mean()), probe.attends, losses.tolist(),
    )  # fmt: skip


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
    """How much more a target token costs without attention than with it: `short` nats at the shortest sources, of about
    `shortest` tokens, `long` at the longest. `begins`: the length of the sources from which on it is more than at the
    shortest ones, beyond chance; None where it is not."""

    begins: float | None
    shortest: float
    short: float
    long: float


def bottleneck(without: SourceLength, attending: SourceLength) -> Bottleneck:
    """Of two models on the same examples."""
    groups = [a - b for a, b in zip(without.groups, attending.groups, strict=True)]
    errors = [float(group.std(ddof=1)) / np.sqrt(len(group)) if len(group) > 1 else np.inf for group in groups]
    first = float(groups[0].mean())
    above = [
        group.mean() - first > _SIGNIFICANT * np.hypot(error, errors[0])
        for group, error in zip(groups, errors, strict=True)
    ]
    stays = [place for place in range(1, len(groups)) if all(above[place:])]
    begins = without.lengths[stays[0]] if stays else None
    return Bottleneck(begins, without.lengths[0], first, float(groups[-1].mean()))
