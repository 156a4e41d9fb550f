"""The test examples that the best model answers worst, beside the answers of the second model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqloom.comparison.examples import held_out, opened
from seqloom.comparison.results import Results
from seqloom.comparison.trainings import Training
from seqloom.files import write_atomic
from seqloom.metrics.example_scores import ExampleScores
from seqloom.run.run import Run
from seqloom.tasks.capabilities import ShowsExamples
from seqloom.training.reports import read_json

_MOST, _LONGEST = 8, 400


def worst_examples(
    results: Results,
    trainings: Sequence[Training],
    examples: Sequence[ExampleScores | None],
    folder: Path,
    threads: int,
    read: Callable[[Run], Any] = held_out,
) -> dict[str, Any]:
    """Of the first training of the two best models; empty if the task does not show examples. `read` returns the test
    data of a run. `worst_examples.json` in the folder keeps the result, so that the report stays the same.
    """
    path = folder / "worst_examples.json"
    if path.exists():
        return read_json(path)
    result = _worst_examples(results, trainings, examples, threads, read)
    write_atomic(path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _worst_examples(
    results: Results,
    trainings: Sequence[Training],
    examples: Sequence[ExampleScores | None],
    threads: int,
    read: Callable[[Run], Any],
) -> dict[str, Any]:
    models = [row.model for row in results.rows[:2]]
    places = [next(place for place, t in enumerate(trainings) if t.name == model) for model in models]
    scores = [examples[place] for place in places]
    if any(score is None for score in scores):
        return {}
    losses = [example_losses(score, results.lower_is_better) for score in scores if score is not None]
    # Of examples that the best model answers equally badly, first those that the second one answers well.
    worst = np.lexsort((losses[-1], -losses[0]))[:_MOST]
    worst = worst[losses[0][worst] > losses[0].min()]
    if not len(worst):
        return {}
    answers: list[list[str]] = []
    shown: list[Any] = []
    for place in places:
        with opened(trainings[place].folder, threads) as run:
            if not isinstance(run.task, ShowsExamples):
                return {}
            test_data = read(run)
            shown = run.task.show_examples(run.trained, test_data, worst.tolist())
            answers.append([example.answer for example in shown])
    metric = results.score.rpartition(" ")[2]
    rows = [
        {
            "input": _cut(example.input),
            "expected": _cut(example.expected),
            "answers": [_cut(answer[number]) for answer in answers],
            "losses": [float(loss[place]) for loss in losses],
        }
        for number, (place, example) in enumerate(zip(worst.tolist(), shown, strict=True))
    ]
    return {"models": models, "metric": metric, "rows": rows}


def example_losses(scores: ExampleScores, lower_is_better: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(examples,): how badly each example is answered. For a ratio and a perplexity, its own loss per target;
    otherwise its influence on the metric."""
    if scores.metric in ("ratio", "perplexity", "rmse"):
        values = scores.sums[:, 0] / np.maximum(scores.sums[:, 1], 1)
        return values if lower_is_better else -values
    values = scores.pseudo_values()
    return values if lower_is_better else -values


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
