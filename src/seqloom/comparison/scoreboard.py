"""The scoreboard: a row for each model, as text, and the notes below it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seqloom.comparison.differences import ModelScores
from seqloom.comparison.statistics import Estimate, half_width, spread
from seqloom.comparison.trainings import FAIR_SHARE
from seqloom.comparison.verdict import many, metric_name, percent, plain
from seqloom.metrics.example_scores import ExampleScores

_NONE = "–"

Curve = list[tuple[float, float]]
"""(seconds of training, validation score)"""


@dataclass(frozen=True)
class Row:
    """The results of one model over its seeds."""

    model: str
    split: str
    scores: list[float]
    score: Estimate
    bits_per_byte: float | None
    parameters: int
    targets_per_second: float | None
    online_milliseconds: float | None
    peak_memory_bytes: int
    epochs: float | None
    threads: int
    curves: list[Curve]
    deterministic: bool = False
    examples: int | None = None
    processor_share: float | None = None
    seconds: float = 0.0
    processor_seconds: float | None = None

    @classmethod
    def of(
        cls, scores: ModelScores, score: str, runs: Sequence[dict[str, Any]], online: float | None, examples: int | None
    ) -> Row:
        """`runs`: the `summary` and the `metrics` of each seed. `examples`: the number of test examples."""
        summaries = [run["summary"] for run in runs]
        split = "test" if summaries[0]["test"] is not None else "valid"
        bits = [summary[split].get("bits_per_byte") for summary in summaries]
        rates = [summary["targets_per_second"] for summary in summaries if summary.get("targets_per_second")]
        used = [summary["processor_seconds"] for summary in summaries if "processor_seconds" in summary]
        epochs = [run["metrics"][-1]["epoch"] for run in runs if run["metrics"]]
        return cls(
            model=scores.model,
            split=split,
            scores=list(scores.scores),
            score=interval(scores),
            bits_per_byte=statistics.fmean(bits) if None not in bits else None,
            parameters=summaries[0]["parameters"],
            targets_per_second=statistics.median(rates) if rates else None,
            online_milliseconds=online,
            peak_memory_bytes=max(summary["peak_memory_bytes"] for summary in summaries),
            epochs=statistics.median(epochs) if epochs else None,
            threads=summaries[0]["threads"],
            # A model that is not trained step by step has one point: the end of its training.
            curves=[
                [(row["seconds"], row[f"valid_{score}"]) for row in run["metrics"]]
                or [(run["summary"]["seconds"], run["summary"]["valid"][score])]
                for run in runs
            ],
            deterministic=scores.deterministic,
            examples=examples,
            processor_share=min(
                (summary["processor_share"] for summary in summaries if "processor_share" in summary), default=None
            ),
            seconds=statistics.median(summary["seconds"] for summary in summaries),
            processor_seconds=statistics.median(used) if used else None,
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Row:
        return cls(**{**content, "score": Estimate(**content["score"])})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score._asdict()}

    def cells(self) -> list[str]:
        """The row as text, in the order of `_headings`."""
        return [
            self.model,
            _with_interval(self.score),
            _or_dash(self.bits_per_byte, ".3f"),
            short_number(self.parameters),
            _or_dash(self.targets_per_second, ",.0f"),
            _or_dash(self.online_milliseconds, ".2f"),
            f"{self.peak_memory_bytes / 1e6:,.0f} MB",
            _or_dash(self.epochs, ".1f"),
        ]


def model_scores(model: str, scores: Sequence[float], examples: Sequence[ExampleScores | None]) -> ModelScores:
    """The scores of a model over its seeds."""
    scored = [seed for seed in examples if seed is not None]
    if len(scored) < len(scores):
        return ModelScores(model, scores, None)
    values = np.stack([seed.pseudo_values() for seed in scored])
    return ModelScores(model, scores, values, overlap=scored[0].overlap)


def interval(scores: ModelScores) -> Estimate:
    """The mean score, with the interval over seeds and examples."""
    if scores.examples is None or (len(scores.scores) < 2 and not scores.deterministic):
        return Estimate(scores.mean, None)
    values = scores.examples[:1] if scores.deterministic else scores.examples
    half = float(half_width(spread(values, scores.overlap)))
    return Estimate(scores.mean, half if np.isfinite(half) else None)


def table(rows: Sequence[Row], score: str) -> list[list[str]]:
    """The headings, in one or two lines, and a list of cells for each row. Columns without a value are left out."""
    cells = [row.cells() for row in rows]
    filled = [number for number, column in enumerate(zip(*cells, strict=True)) if set(column) != {_NONE}]
    return [[line[number] for number in filled] for line in (_headings(score), *cells)]


def _headings(score: str) -> list[str]:
    """The names of the columns, in one or two lines."""
    split = score.rpartition(" ")[0]
    return [
        "model",
        f"{split}\n{metric_name(score)}",
        "bits\nper byte",
        "parameters",
        "training\ntargets/s",
        "online\nms/token",
        "peak\nmemory",
        "epochs\nseen",
    ]


def _with_interval(score: Estimate) -> str:
    if score.half_width is None:
        return f"{plain(score.mean)} ± –"
    mean = plain(score.mean)
    decimals = len(mean.partition(".")[2]) if "e" not in mean else 0
    half = f"{score.half_width:,.{decimals}f}" if "e" not in mean else f"{score.half_width:.2g}"
    return f"{mean} ± {half}"


def _or_dash(number: float | None, form: str) -> str:
    return _NONE if number is None else format(number, form)


def short_number(number: int) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f} {suffix}"
    return str(number)


def scoreboard(rows: Sequence[Row], score: str) -> str:
    """The table as plain text: names aligned left, numbers right."""
    headings, *cells_of_rows = table(rows, score)
    split = [(heading if "\n" in heading else f"\n{heading}").split("\n") for heading in headings]
    printed = [[top for top, _ in split], [bottom for _, bottom in split], *cells_of_rows]
    widths = [max(map(len, column)) for column in zip(*printed, strict=True)]
    lines = []
    for cells in printed:
        name, *numbers = zip(cells, widths, strict=True)
        lines.append("  ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in numbers)]).rstrip())
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([*lines[:2], rule, *lines[2:]])


def notes(rows: Sequence[Row], unit: str, left_out: Sequence[str] = ()) -> list[str]:
    """The notes below the table. `unit` is the unit of the test data: line, sentence, ..."""
    seeds, examples = max(len(row.scores) for row in rows), rows[0].examples
    sentences = []
    if examples is None:
        sentences.append("±: the task has no scores of single examples, so there are no intervals.")
    elif all(row.score.half_width is None for row in rows):
        sentences.append("±: with one seed, the spread over seeds is unknown.")
    else:
        sentences.append(f"±: 95 % interval over seeds (up to {seeds}) and {examples:,} test {many(unit)}.")
    if without_seed := [row.model for row in rows if row.deterministic]:
        sentences.append(f"No seed: {', '.join(without_seed)}; every training gives the same model.")
    if left_out:
        sentences.append(
            f"Left out of the verdict: {', '.join(left_out)} got less than {percent(FAIR_SHARE)} of the processor time "
            "that the best got, twice, since the machine was busy. Compare again in another folder when it is quiet."
        )
    return sentences
