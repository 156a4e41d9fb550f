"""Trainings of several variants on the same data, and a table of their scores with 95 % intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import seqloom
from seqloom.comparison.examples import example_scores
from seqloom.comparison.statistics import Array, half_width, spread
from seqloom.comparison.verdict import ModelScores, differences, verdict

SEEDS = 3

Answer = dict[str, Any]
"""What a question's table is made of: `score`, `lower_is_better`, `rows`, `verdict`, `trained` (in words)."""

Question = Callable[[Path], Answer]


@dataclass(frozen=True)
class Variant:
    """A row of the table: a model with settings of its own."""

    label: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    budget: Mapping[str, Any] = field(default_factory=dict)
    deterministic: bool = False


@dataclass(frozen=True)
class Trained:
    """The runs of one variant, a run a seed."""

    variant: Variant
    runs: list[seqloom.Run]

    def summaries(self, name: str) -> list[float]:
        return [run.summary[name] for run in self.runs]


def train_all(
    task: str, data: str, variants: Iterable[Variant], folder: Path, settings: Mapping[str, Any], **budget: Any
) -> list[Trained]:
    """Trains every variant with every seed on one thread."""
    trained = []
    for number, variant in enumerate(variants):
        runs = []
        for seed in range(1, 2 if variant.deterministic else SEEDS + 1):
            start = time.perf_counter()
            run = seqloom.train(
                task,
                variant.data or data,
                model=variant.model,
                seed=seed,
                threads=1,
                out=folder / f"{number}-{seed}",
                resume=True,
                quiet=True,
                settings={**settings, **variant.settings},
                **{**budget, **variant.budget},
            )
            runs.append(run)
            print(f"  {variant.label}, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
        trained.append(Trained(variant, runs))
    return trained


def scored(trained: Trained) -> tuple[ModelScores, str]:
    """The test score of each seed and its parts by example; what an example is called."""
    examples = [example_scores(run.folder, run.folder / "examples.npz", threads=1) for run in trained.runs]
    parts = [scores.pseudo_values() for scores in examples if scores is not None]
    assert parts, "the task scores single examples"
    unit = next(scores.unit for scores in examples if scores is not None)
    metric = trained.runs[0].summary["score"]
    means = [run.summary["test"][metric] for run in trained.runs]
    return ModelScores(trained.variant.label, means, np.stack(parts), trained.variant.deterministic), unit


def table(trained: Sequence[Trained], trained_on: str, extra: Mapping[str, Callable[[Trained], Any]] = {}) -> Answer:
    """The scores of all variants, best first, with their intervals and those of their differences to the best."""
    summary = trained[0].runs[0].summary
    lower_is_better, metric = summary["lower_is_better"], summary["score"]
    scores, unit = {}, "example"
    for variant in trained:
        scores[variant.variant.label], unit = scored(variant)
    return judged(
        scores,
        f"test {metric}",
        lower_is_better,
        unit,
        trained_on,
        {name: {each.variant.label: value(each) for each in trained} for name, value in extra.items()},
    )


def judged(
    scores: Mapping[str, ModelScores],
    metric: str,
    lower_is_better: bool,
    unit: str,
    trained_on: str,
    extra: Mapping[str, Mapping[str, Any]] = {},
) -> Answer:
    """The table of given scores."""
    ordered = sorted(scores.values(), key=lambda model: model.mean if lower_is_better else -model.mean)
    tested = differences(ordered, lower_is_better)
    gaps = {difference.model: difference for difference in tested}
    rows = []
    for model in ordered:
        gap = gaps.get(model.model)
        rows.append(
            {
                "label": model.model,
                "mean": model.mean,
                "half_width": _half_width(model.examples),
                "difference": None if gap is None else [gap.difference, gap.low, gap.high],
                **{name: values[model.model] for name, values in extra.items()},
            }
        )
    return {
        "score": metric,
        "lower_is_better": lower_is_better,
        "examples": {"unit": unit, "number": _count(ordered[0].examples)},
        "rows": rows,
        "extra": list(extra),
        "verdict": verdict(ordered, tested, metric, lower_is_better, unit),
        "trained": trained_on,
    }


def by_seed(label: str, values: Sequence[float]) -> ModelScores:
    """Scores of which there is one a seed: seeds take the place of the test examples."""
    return ModelScores(label, list(values), np.asarray(values, np.float64)[None, :], deterministic=True)


def _half_width(examples: Array | None) -> float | None:
    if examples is None:
        return None
    width = float(half_width(spread(examples)))
    return width if np.isfinite(width) else None


def _count(examples: Array | None) -> int:
    return 0 if examples is None else examples.shape[-1]
