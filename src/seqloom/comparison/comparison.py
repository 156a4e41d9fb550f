"""`compare`: trains every model with every seed and collects the results."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch

from seqloom.comparison.examples import example_scores
from seqloom.comparison.forecasts import forecast_verdict
from seqloom.comparison.online import online_milliseconds
from seqloom.comparison.scoreboard import Row, model_scores, notes, scoreboard, unfairly_slow
from seqloom.comparison.spec import ComparisonSpec, assignments, claim_folder, make_terms
from seqloom.comparison.training_process import SECONDS_TO_SAVE, run_training
from seqloom.comparison.verdict import ModelScores, differences, verdict
from seqloom.data.input_source import DataSource, path_of
from seqloom.files import write_atomic
from seqloom.models.fitted import FittedByPasses
from seqloom.run import load, make_settings
from seqloom.runtime import cache_folder
from seqloom.storage.folder import locked_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FitsWithoutGradients, Forecasts, Incomparable
from seqloom.training.reports import MetricsFile, read_json, read_summary


@dataclass(frozen=True)
class Comparison:
    """The result: `rows` of the scoreboard, the best first; `report`, the content of `report.json`; `folder`, which
    holds `report.json` and `report.html`."""

    folder: Path
    rows: list[Row]
    report: dict[str, Any]

    def __str__(self) -> str:
        sentences = [self.report["verdict"], *self.report["notes"]]
        return "\n\n".join(
            [
                scoreboard(self.rows, self.report["score"]),
                "\n".join(textwrap.fill(sentence, 100) for sentence in sentences),
            ]
        )


def compare(
    task: str,
    data: DataSource,
    *,
    models: Sequence[str],
    out: str | Path,
    minutes: float = 0.0,
    epochs: float = 0.0,
    updates: int = 0,
    seeds: int = 1,
    valid: DataSource | None = None,
    test: DataSource | None = None,
    threads: int = 0,
    settings: Mapping[str, Any] | None = None,
    quiet: bool = False,
    figures: str | Path | None = None,
) -> Comparison:
    """Trains `models` on equal terms and returns the scoreboard; trainings that are finished in `out` are not repeated.

    `data`, `valid`, `test` are what `seqloom.train` accepts: paths, lines, or pairs.

    Exactly one of `minutes`, `epochs`, `updates` is the budget of each training. `settings` are for every model, those
    named `model:setting` for one of them. `figures` is a folder for the charts as SVG files. Raises RequestError if
    the request is impossible or `out` holds another comparison.
    """
    budget = {"minutes": minutes, "epochs": epochs, "updates": updates}
    paths = [None if part is None else path_of(part, cache_folder()) for part in (data, valid, test)]
    terms = make_terms(task, cast(str, paths[0]), paths[1], paths[2], models, seeds, budget, threads, settings or {})
    folder = Path(out)
    try:
        with locked_folder(folder):
            claim_folder(folder, terms)
            # Seed by seed: an interrupted comparison has compared all models with the first seeds.
            seeds_of = {model: _seeds(terms, model) for model in terms.models}
            runs = [(model, seed) for seed in range(1, seeds + 1) for model in terms.models if seed in seeds_of[model]]
            for number, (model, seed) in enumerate(runs, 1):
                _train(terms, model, seed, folder, f"{number} of {len(runs)}", quiet)
            return _conclude(terms, folder, None if figures is None else Path(figures))
    except KeyboardInterrupt:
        if not quiet:
            print("the same command resumes where this one stopped", file=sys.stderr)
        raise


def _seeds(terms: ComparisonSpec, model: str) -> range:
    """The seeds that a model is trained with: one if the model does not depend on the seed."""
    return range(1, 2 if _has_no_seed(terms, model) else terms.seeds + 1)


def _has_no_seed(terms: ComparisonSpec, model: str) -> bool:
    """Whether every seed gives the same model, as for count-based models."""
    task = tasks[terms.task]
    settings = make_settings(terms.task, model, terms.settings_of(model))
    fitted = task.fitted(model, settings) if isinstance(task, FitsWithoutGradients) else None
    return fitted is not None and not isinstance(fitted, FittedByPasses)


def run_folder(folder: Path, model: str, seed: int) -> Path:
    return folder / "runs" / f"{model}-seed{seed}"


def _train(terms: ComparisonSpec, model: str, seed: int, folder: Path, number: str, quiet: bool) -> None:
    """Trains a model, or resumes an interrupted training; does nothing if the training is finished."""
    run = run_folder(folder, model, seed)
    if run.exists():
        with locked_folder(run, wait_seconds=SECONDS_TO_SAVE):
            pass  # a training whose comparison was killed saves its checkpoint and stops
    if (run / "summary.json").exists() and read_summary(run)["finished"]:
        return
    resume = (run / "config.toml").exists()
    if not quiet:
        print(f"{'resuming' if resume else 'training'} {model}, seed {seed} ({number})", file=sys.stderr)
    arguments = [terms.task, terms.data, "--model", model, "--out", str(run), "--seed", str(seed)]
    arguments += ["--threads", str(terms.threads), *(["--resume"] if resume else [])]
    for option, value in (("valid", terms.valid), ("test", terms.test), *terms.budget.items()):
        arguments += [f"--{option}", str(value)] if value is not None else []
    for assignment in assignments(terms.settings_of(model)):
        arguments += ["--set", assignment]
    run_training(arguments, f"{model} with seed {seed}", quiet)


def _conclude(terms: ComparisonSpec, folder: Path, figures: Path | None) -> Comparison:
    """Collects the finished runs, and writes `report.json` and `report.html`."""
    online = _measure_online(terms, folder)
    runs: list[dict[str, Any]] = [
        {
            "model": model,
            "seed": seed,
            "folder": str(run),
            "summary": read_summary(run),
            "metrics": MetricsFile(run).rows(),
        }
        for model in terms.models
        for seed in _seeds(terms, model)
        for run in [run_folder(folder, model, seed)]
    ]
    metric, lower_is_better = runs[0]["summary"]["score"], runs[0]["summary"]["lower_is_better"]
    scores, unit, examples = _scores(terms, folder, runs, metric)
    rows = [
        Row.of(scores[model], metric, [run for run in runs if run["model"] == model], online[model], examples)
        for model in terms.models
    ]
    rows.sort(key=lambda row: row.score.mean if lower_is_better else -row.score.mean)
    score = f"{rows[0].split} {metric}"
    # Only a budget of time depends on what a training got of the processors.
    left_out = unfairly_slow([row for row in rows if not row.deterministic]) if "minutes" in terms.budget else []
    ranked = [scores[row.model] for row in rows if row.model not in left_out]
    tested = differences(ranked, lower_is_better)
    special = _incomparable(terms) or _of_forecasts(terms, folder)
    report = {
        "task": terms.task,
        "score": score,
        "lower_is_better": lower_is_better,
        "verdict": special or verdict(ranked, tested, score, lower_is_better, unit),
        "notes": notes(rows, unit, left_out),
        "leader": ranked[0].model,
        "differences": [] if _incomparable(terms) else [difference.to_json() for difference in tested],
        "examples": {"number": examples, "unit": unit},
        "terms": asdict(terms),
        "command": shlex.join(terms.command(str(folder))),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": rows[0].threads,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "rows": [row.to_json() for row in rows],
        "runs": runs,
    }
    report = json.loads(json.dumps(report))  # the same as reading the file gives
    write_atomic(folder / "report.json", json.dumps(report, indent=2) + "\n")
    _write_page(report, folder, figures)
    return Comparison(folder, rows, report)


def _scores(
    terms: ComparisonSpec, folder: Path, runs: Sequence[Mapping[str, Any]], metric: str
) -> tuple[dict[str, ModelScores], str, int | None]:
    """The scores of each model; the unit of the test data (line, sentence, ...), and the number of these units."""
    scores_of_models, unit, number = {}, "example", None
    for model in terms.models:
        trainings = [run for run in runs if run["model"] == model]
        files = [folder / "examples" / f"{model}-seed{run['seed']}.npz" for run in trainings]
        examples = [
            example_scores(Path(run["folder"]), file, terms.threads) for run, file in zip(trainings, files, strict=True)
        ]
        summaries = [run["summary"] for run in trainings]
        scores = [summary["valid" if summary["test"] is None else "test"][metric] for summary in summaries]
        scores_of_models[model] = model_scores(model, scores, examples)
        if _has_no_seed(terms, model):
            scores_of_models[model] = replace(scores_of_models[model], deterministic=True)
        for seed in examples:
            if seed is not None:
                unit, number = seed.unit, len(seed.sums)
    return scores_of_models, unit, number


def _write_page(report: dict[str, Any], folder: Path, figures: Path | None) -> None:
    from seqloom.comparison.report import report_page  # charts take a third of a second to import

    report_page(report).write(folder / "report.html", figures)


def _incomparable(terms: ComparisonSpec) -> str:
    """Why the scores of these models cannot be compared; empty if they can."""
    task = tasks[terms.task]
    return task.apart(terms.models) if isinstance(task, Incomparable) else ""


def _of_forecasts(terms: ComparisonSpec, folder: Path) -> str:
    """The verdict on forecasting models, paired over series or origins; empty for other tasks. It uses the run of each
    model with the first seed."""
    if not isinstance(tasks[terms.task], Forecasts):
        return ""
    runs = {model: load(run_folder(folder, model, 1), threads=terms.threads) for model in terms.models}
    return forecast_verdict({model: run.backtest(terms.test or terms.data) for model, run in runs.items()})


def _measure_online(terms: ComparisonSpec, folder: Path) -> dict[str, float | None]:
    """Milliseconds per token of each model's first run. `online.json` keeps them, so that the report stays the same."""
    path = folder / "online.json"
    if path.exists():
        return read_json(path)
    latencies = {model: online_milliseconds(run_folder(folder, model, 1), terms.threads) for model in terms.models}
    write_atomic(path, json.dumps(latencies, indent=2) + "\n")
    return latencies


def _processor() -> str:
    """The name of the processor if the system reports it, otherwise its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
