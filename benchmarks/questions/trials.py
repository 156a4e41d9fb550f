"""Trainings of several variants on the same data, and what is kept of them: scores, differences and a chart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import seqloom
from seqloom.comparison.differences import ModelScores, pairwise
from seqloom.comparison.examples import example_scores
from seqloom.comparison.statistics import ALPHA, half_width, holm, spread

SEEDS = 3

Contrast = tuple[str, str]
"""The labels of two variants whose difference is tested; chosen before the trainings, because the question asks it."""


@dataclass(frozen=True)
class Variant:
    """A model with settings of its own, trained with every seed."""

    label: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    deterministic: bool = False


@dataclass(frozen=True)
class Trained:
    """The runs of one variant, one for each seed."""

    variant: Variant
    runs: list[seqloom.Run]

    @property
    def label(self) -> str:
        return self.variant.label

    def mean(self, name: str) -> float:
        """The mean over seeds of a number in the summary."""
        return float(np.mean([run.summary[name] for run in self.runs]))


@dataclass(frozen=True)
class Line:
    """A line of a chart: `points` are [x, y, low, high], with the ends of the 95 % interval of y."""

    name: str
    points: list[list[float]]


@dataclass(frozen=True)
class Chart:
    """Axes and lines."""

    x: str
    y: str
    lines: list[Line]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Answer:
    """What an experiment measured. `rows` have the label, the mean over seeds, half the width of its 95 % interval and
    the columns named in `extra`. `contrasts` are the tested differences; their p-values are corrected for their number
    (Holm). `number` of `unit` are the test examples. `trained`: on what, in words."""

    score: str
    lower_is_better: bool
    unit: str
    number: int
    trained: str
    rows: list[dict[str, Any]]
    contrasts: list[dict[str, Any]]
    extra: list[str]
    chart: Chart | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Experiment = Callable[[Path], Answer]
"""Trains in a folder."""


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
                **budget,
            )
            runs.append(run)
            score = run.summary["test"][run.summary["score"]]
            print(f"  {variant.label}, seed {seed}: {score:.4g}, {time.perf_counter() - start:.0f} s", flush=True)
        trained.append(Trained(variant, runs))
    return trained


def mean_of(name: str) -> Callable[[Trained], str]:
    """A column of a table: the mean over seeds of a number in the summary, rounded to a whole."""
    return lambda trained: f"{trained.mean(name):,.0f}"


def between(contrasts: Iterable[Contrast], condition: object) -> list[Contrast]:
    """Contrasts of variants that are labelled with their model and the same condition."""
    return [(f"{first}, {condition}", f"{second}, {condition}") for first, second in contrasts]


def by_example(trained: Trained) -> ModelScores:
    """The test score of each seed, and its parts by example."""
    examples = [example_scores(run.folder, run.folder / "examples.npz", threads=1) for run in trained.runs]
    parts = [scores.pseudo_values() for scores in examples if scores is not None]
    means = [run.summary["test"][run.summary["score"]] for run in trained.runs]
    return ModelScores(trained.label, means, np.stack(parts), trained.variant.deterministic)


def by_seed(label: str, values: Sequence[float]) -> ModelScores:
    """Scores of which there is one for each seed: seeds take the place of the test examples."""
    return ModelScores(label, list(values), np.asarray(values, np.float64)[None, :], deterministic=True)


def table(
    trained: Sequence[Trained],
    contrasts: Sequence[Contrast],
    trained_on: str,
    extra: Mapping[str, Callable[[Trained], Any]] = {},
    chart: Chart | None = None,
) -> Answer:
    """The test scores of all variants, with the differences that the question asks for."""
    run = trained[0].runs[0]
    scores = example_scores(run.folder, run.folder / "examples.npz", threads=1)
    return measured(
        [by_example(each) for each in trained],
        contrasts,
        run.summary["score"].replace("_", " "),
        run.summary["lower_is_better"],
        scores.unit if scores is not None else "example",
        trained_on,
        {name: [value(each) for each in trained] for name, value in extra.items()},
        chart,
    )


def measured(
    scores: Sequence[ModelScores],
    contrasts: Sequence[Contrast],
    metric: str,
    lower_is_better: bool,
    unit: str,
    trained_on: str,
    extra: Mapping[str, Sequence[Any]] = {},
    chart: Chart | None = None,
) -> Answer:
    """The answer that given scores make; `extra` has a value for each of them."""
    rows = [
        {
            "label": model.model,
            "mean": model.mean,
            "half_width": margin(model),
            **{name: values[number] for name, values in extra.items()},
        }
        for number, model in enumerate(scores)
    ]
    named = {model.model: model for model in scores}
    tested = _tested([(named[first], named[second]) for first, second in contrasts], lower_is_better)
    examples = scores[0].examples
    number = 0 if examples is None else examples.shape[-1]
    return Answer(metric, lower_is_better, unit, number, trained_on, rows, tested, list(extra), chart)


def _tested(contrasts: Sequence[tuple[ModelScores, ModelScores]], lower_is_better: bool) -> list[dict[str, Any]]:
    """The difference of each pair from the better to the worse one, with its interval and its corrected p-value."""
    differences = []
    for pair in contrasts:
        ordered = sorted(pair, key=lambda model: model.mean if lower_is_better else -model.mean)
        differences += pairwise(ordered, lower_is_better)
    corrected = holm([np.nan if difference.p is None else difference.p for difference in differences])
    return [
        {
            "better": difference.reference,
            "worse": difference.model,
            "difference": difference.difference,
            "low": difference.low,
            "high": difference.high,
            "p": None if difference.p is None else float(p),
            "told_apart": difference.told_apart and bool(p < ALPHA),
        }
        for difference, p in zip(differences, corrected, strict=True)
    ]


def margin(scores: ModelScores) -> float | None:
    """Half the width of the 95 % interval of a mean; None if it cannot be known."""
    if scores.examples is None:
        return None
    width = float(half_width(spread(scores.examples)))
    return width if np.isfinite(width) else None


def point(x: float, scores: ModelScores) -> list[float]:
    """A point of a line, with its interval."""
    half = margin(scores) or 0.0
    return [x, scores.mean, scores.mean - half, scores.mean + half]
