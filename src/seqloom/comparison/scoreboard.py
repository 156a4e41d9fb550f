"""The table of a comparison, and the sentences that it allows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seqloom.comparison.statistics import Estimate, estimate, welch

Curve = list[tuple[float, float]]
"""(seconds of training, validation score)"""

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Row:
    """What one model reached, over its seeds."""

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

    @classmethod
    def of(cls, model: str, score: str, runs: Sequence[dict[str, Any]], online: float | None) -> Row:
        """`runs`: of each seed the `summary` and the `metrics` along training."""
        summaries = [run["summary"] for run in runs]
        split = "test" if summaries[0]["test"] is not None else "valid"
        scores = [summary[split][score] for summary in summaries]
        bits = [summary[split].get("bits_per_byte") for summary in summaries]
        rates = [summary["targets_per_second"] for summary in summaries if summary.get("targets_per_second")]
        epochs = [run["metrics"][-1]["epoch"] for run in runs if run["metrics"]]
        return cls(
            model=model,
            split=split,
            scores=scores,
            score=estimate(scores),
            bits_per_byte=statistics.fmean(bits) if None not in bits else None,
            parameters=summaries[0]["parameters"],
            targets_per_second=statistics.median(rates) if rates else None,
            online_milliseconds=online,
            peak_memory_bytes=max(summary["peak_memory_bytes"] for summary in summaries),
            epochs=statistics.median(epochs) if epochs else None,
            threads=summaries[0]["threads"],
            # A model that is not trained step by step has one place in time: where it was done.
            curves=[
                [(row["seconds"], row[f"valid_{score}"]) for row in run["metrics"]]
                or [(run["summary"]["seconds"], run["summary"]["valid"][score])]
                for run in runs
            ],
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Row:
        return cls(**{**content, "score": Estimate(**content["score"])})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score._asdict()}

    def cells(self) -> list[str]:
        """The row as text, in the order of `headings`."""
        return [
            self.model,
            _with_interval(self.score),
            _or_dash(self.bits_per_byte, ".3f"),
            _short(self.parameters),
            _or_dash(self.targets_per_second, ",.0f"),
            _or_dash(self.online_milliseconds, ".2f"),
            f"{self.peak_memory_bytes / 1e6:,.0f} MB",
            _or_dash(self.epochs, ".1f"),
        ]


def headings(score: str) -> list[str]:
    """The columns' names, of up to two lines."""
    split, _, metric = score.rpartition(" ")
    return [
        "model",
        f"{split}\n{metric}",
        "bits\nper byte",
        "parameters",
        "training\ntokens/s",
        "online\nms/token",
        "peak\nmemory",
        "epochs\nseen",
    ]


def plain(number: float) -> str:
    """A score with three decimals at most, fewer where it is large."""
    size = abs(number)
    if size >= 1e7:
        return f"{number:.3g}"
    return f"{number:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def _with_interval(score: Estimate) -> str:
    if score.half_width is None:
        return f"{plain(score.mean)} ± –"
    mean = plain(score.mean)
    decimals = len(mean.partition(".")[2]) if "e" not in mean else 0
    half = f"{score.half_width:,.{decimals}f}" if "e" not in mean else f"{score.half_width:.2g}"
    return f"{mean} ± {half}"


def _or_dash(number: float | None, form: str) -> str:
    return "–" if number is None else format(number, form)


def _short(number: int) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f} {suffix}"
    return str(number)


def scoreboard(rows: Sequence[Row], score: str) -> str:
    """The table as plain text: names to the left, numbers to the right."""
    split = [(heading if "\n" in heading else f"\n{heading}").split("\n") for heading in headings(score)]
    table = [[top for top, _ in split], [bottom for _, bottom in split], *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        name, *numbers = zip(cells, widths, strict=True)
        lines.append("  ".join([name[0].ljust(name[1]), *(cell.rjust(width) for cell, width in numbers)]).rstrip())
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([*lines[:2], rule, *lines[2:]])


def verdict(rows: Sequence[Row], score: str, lower_is_better: bool) -> str:
    """What can be said of the first row against the others: how far ahead, and whether chance would do as much."""
    if len(rows) < 2:
        return f"{rows[0].model} stands alone: there is nothing to compare it with."
    first, second = rows[0], rows[1]
    if first.scores == second.scores:
        return f"{first.model} and {second.model} reached the same {score}, {plain(first.score.mean)}."
    gap = abs(first.score.mean - second.score.mean) / abs(second.score.mean or 1.0)
    distance = f"{100 * gap:{'.2g' if gap < 0.1 else '.0f'}} % {'lower' if lower_is_better else 'higher'}"
    means = f"{plain(first.score.mean)} against {plain(second.score.mean)}"
    seeds = len(first.scores)
    ahead = f"its {score} is {distance} than that of {second.model} ({means})"
    if seeds < 2:
        return f"{first.model} came first: {ahead}. Whether that is more than chance, one seed cannot tell: give more."
    chances = {row.model: welch(first.scores, row.scores) for row in rows[1:]}
    p = chances[second.model]
    test = f"Welch's t-test over {seeds} seeds, p {'< 0.001' if p < 0.001 else f'= {p:.2g}'}"
    level = [model for model, chance in chances.items() if chance >= _SIGNIFICANT]
    if p >= _SIGNIFICANT:
        return (
            f"No clear winner: {first.model} came first, {ahead}, but chance alone could do that ({test}). "
            f"It cannot be told from {_listed(level)}; more seeds might."
        )
    won = f"{first.model} won: {ahead}, more than chance explains ({test})."
    return won + (f" It cannot be told from {_listed(level)}, which varied more." if level else "")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def notes(rows: Sequence[Row]) -> list[str]:
    """What stands below the table."""
    if len(rows[0].scores) < 2:
        return ["±: one seed tells no spread."]
    return [f"±: 95 % interval of the mean over {len(rows[0].scores)} seeds (Student's t)."]
