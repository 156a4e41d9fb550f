"""What the trainings of a comparison have reached: scores by seed and by example, and the rows of the scoreboard."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqloom.comparison.differences import ModelScores
from seqloom.comparison.online import online_milliseconds
from seqloom.comparison.scoreboard import Row, model_scores
from seqloom.comparison.trainings import Training, first_folders
from seqloom.files import write_atomic
from seqloom.metrics.example_scores import ExampleScores
from seqloom.training.reports import MetricsFile, read_json, read_summary


class Results(NamedTuple):
    """`runs`: for each training its summary and its metrics over time. `scores`: by model. `rows`: the scoreboard, the
    best first. `unit`: what an example of the test data is: line, sentence, ...; `examples`: their number."""

    runs: list[dict[str, Any]]
    scores: dict[str, ModelScores]
    rows: list[Row]
    unit: str
    examples: int | None

    @property
    def lower_is_better(self) -> bool:
        return self.runs[0]["summary"]["lower_is_better"]

    @property
    def score(self) -> str:
        """The split and the metric: `test perplexity`."""
        return f"{self.rows[0].split} {self.runs[0]['summary']['score']}"


def run_content(training: Training, summary: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the report says of one training; `summary` if it is another than that of the run."""
    return {
        "model": training.name,
        "seed": training.seed,
        "fold": training.fold,
        "folder": str(training.folder),
        "summary": read_summary(training.folder) if summary is None else summary,
        "metrics": MetricsFile(training.folder).rows(),
    }


def gather(
    runs: list[dict[str, Any]],
    examples: Sequence[ExampleScores | None],
    without_seed: Sequence[str],
    online: Mapping[str, float | None],
) -> Results:
    """`examples`: the scores of the test examples of each of `runs`. `online`: milliseconds per token by model."""
    metric = runs[0]["summary"]["score"]
    scores: dict[str, ModelScores] = {}
    unit, number = "example", None
    rows = []
    for name in dict.fromkeys(run["model"] for run in runs):
        runs_of_model = [run for run in runs if run["model"] == name]
        values, examples_by_seed = [], []
        for seed in dict.fromkeys(run["seed"] for run in runs_of_model):
            places = [place for place, run in enumerate(runs) if run["model"] == name and run["seed"] == seed]
            value, scored = _pool([runs[place]["summary"] for place in places], [examples[place] for place in places])
            values.append(value)
            examples_by_seed.append(scored)
            if scored is not None:
                unit, number = scored.unit, len(scored.sums)
        scores[name] = model_scores(name, values, examples_by_seed)
        if name in without_seed:
            scores[name] = replace(scores[name], deterministic=True)
        rows.append(Row.of(scores[name], metric, runs_of_model, online.get(name), number))
    lower_is_better = runs[0]["summary"]["lower_is_better"]
    rows.sort(key=lambda row: row.score.mean if lower_is_better else -row.score.mean)
    return Results(runs, scores, rows, unit, number)


def _pool(
    summaries: Sequence[Mapping[str, Any]], examples: Sequence[ExampleScores | None]
) -> tuple[float, ExampleScores | None]:
    """The score of one seed, over the test examples of all its folds together."""
    metric = summaries[0]["score"]
    values = [summary["valid" if summary["test"] is None else "test"][metric] for summary in summaries]
    scored = [fold.by_group() for fold in examples if fold is not None]
    if len(scored) < len(examples):
        return statistics.fmean(values), None
    if len(scored) == 1:
        return values[0], scored[0]
    pooled = replace(scored[0], sums=np.concatenate([fold.sums for fold in scored]))
    return pooled.value, pooled


def measure_online(trainings: Sequence[Training], threads: int, folder: Path) -> dict[str, float | None]:
    """Milliseconds per token of the first training of each model. `online.json` keeps them, so that the report stays
    the same."""
    path = folder / "online.json"
    if path.exists():
        return read_json(path)
    latencies = {name: online_milliseconds(run, threads) for name, run in sorted(first_folders(trainings).items())}
    write_atomic(path, json.dumps(latencies, indent=2) + "\n")
    return latencies
