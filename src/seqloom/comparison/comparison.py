"""`compare`: trains every model with every seed and reports the results."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from seqloom.comparison.advice import next_steps, recommendations
from seqloom.comparison.differences import Difference, pairwise, to_leader
from seqloom.comparison.equal_size import equal_sizes
from seqloom.comparison.examples import example_scores
from seqloom.comparison.fairness import warnings
from seqloom.comparison.forecasts import forecast_verdict
from seqloom.comparison.jobs import check_jobs, machines_of, make_runner
from seqloom.comparison.leakage import leakage_warning
from seqloom.comparison.questions import ModelFacts, answers
from seqloom.comparison.results import Results, gather, measure_online, run_content
from seqloom.comparison.scoreboard import Row, notes, scoreboard
from seqloom.comparison.spec import TUNED, ComparisonSpec, claim_folder, make_spec
from seqloom.comparison.tables import latex_table, markdown_table
from seqloom.comparison.trainings import Training, has_no_seed, plan_trainings, slow_trainings, train_all
from seqloom.comparison.tune import check_tuning_installed, tuned_spec, tuning_note
from seqloom.comparison.verdict import verdict
from seqloom.comparison.worst_examples import worst_examples
from seqloom.config import flatten
from seqloom.data.corpus import prepare
from seqloom.data.input_source import DataSource, paths_of
from seqloom.files import write_atomic
from seqloom.processors import num_threads
from seqloom.run import load, make_settings
from seqloom.runtime import cache_folder
from seqloom.storage.folder import locked_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Diagnoses, Forecasts, Incomparable
from seqloom.training.reports import read_json


@dataclass(frozen=True)
class Comparison:
    """The result: `rows` of the scoreboard, the best first; `report`, the content of `report.json`; `folder`, which
    holds `report.json` and `report.html`."""

    folder: Path
    rows: list[Row]
    report: dict[str, Any]

    def __str__(self) -> str:
        warnings = [f"Warning: {warning}" for warning in self.report["warnings"]]
        answers = [f"{answer['topic']}: {answer['text']}" for answer in self.report.get("answers", [])]
        steps = [f"To try next: {step}." for step in self.report.get("next_steps", [])]
        advice = [*self.report.get("recommendations", []), *steps]
        sentences = [self.report["verdict"], *answers, *advice, *warnings, *self.report["notes"]]
        return "\n\n".join(
            [scoreboard(self.rows, self.report["score"]), "\n".join(textwrap.fill(text, 100) for text in sentences)]
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
    seeds: int = 3,
    equal: str = "minutes",
    split_seed: int = 0,
    folds: int = 0,
    tune: int = 0,
    valid: DataSource | None = None,
    test: DataSource | None = None,
    threads: int = 0,
    jobs: int = 1,
    cluster: str = "",
    settings: Mapping[str, Any] | None = None,
    quiet: bool = False,
    figures: str | Path | None = None,
) -> Comparison:
    """Trains `models` on equal terms and returns the scoreboard; trainings that are finished in `out` are not repeated.

    `data`, `valid`, `test` are what `seqloom.train` accepts: paths, lines, or pairs. A name of a model may hold
    settings: `lstm:num_layers=2`. The baselines of the task are always included.

    Exactly one of `minutes`, `epochs`, `updates` is the budget of each training. `equal`: "minutes", each model has its
    own size; "parameters", all networks have as many parameters as the first, within 2 %; "both" needs `minutes`.
    `split_seed` draws other examples to validate and test on. With `folds`, the data is divided into so many parts, and
    each model is trained once for each of them, which is then its test data: for small data.
    `tune` is the number of trials in which settings of each model are searched, each with the budget of a training; the
    tuned models stand beside the others.
    `jobs` trainings run at the same time, or as many as `cluster`, the address of a Dask scheduler, has workers.
    `settings` are for every model, those named `model:setting` for one of them. `figures` is a folder for the charts
    as SVG files. Raises RequestError if the request is impossible or `out` holds another comparison.
    """
    budget = {"minutes": minutes, "epochs": epochs, "updates": updates}
    paths = paths_of(data, valid, test, cache_folder())
    if jobs > 1 and not threads:
        threads = max(num_threads() // jobs, 1)
    spec = make_spec(task, *paths, models, seeds, budget, threads, settings or {}, equal, split_seed, folds, tune)
    if tune:
        check_tuning_installed()
    check_jobs(jobs, cluster)
    folder = Path(out)
    try:
        with locked_folder(folder):
            claim_folder(folder, asdict(spec))
            sizes = equal_sizes(spec, folder) if equal != "minutes" else {}
            own_settings = {name: {**spec.settings_of(name), **sizes.get(name, {})} for name in spec.models}
            if tune:
                spec = tuned_spec(spec, own_settings, folder, quiet)
                sizes = {name: sizes.get(name.removesuffix(TUNED), {}) for name in spec.models}
                own_settings = {name: {**spec.settings_of(name), **sizes[name]} for name in spec.models}
            trainings = plan_trainings(spec, folder)
            run = make_runner(spec, own_settings, folder, jobs, cluster, quiet)
            train_all(spec, trainings, run, quiet)
            return _conclude(spec, trainings, own_settings, sizes, folder, None if figures is None else Path(figures))
    except KeyboardInterrupt:
        if not quiet:
            print("the same command resumes where this one stopped", file=sys.stderr)
        raise


def _conclude(
    spec: ComparisonSpec,
    trainings: Sequence[Training],
    settings: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, Mapping[str, int]],
    folder: Path,
    figures: Path | None,
) -> Comparison:
    """Collects the finished trainings, and writes `report.json` and `report.html`."""
    examples = [
        example_scores(training.folder, folder / "examples" / f"{training.folder.name}.npz", spec.threads)
        for training in trainings
    ]
    without_seed = [name for name in spec.models if has_no_seed(spec, name)]
    online = measure_online(trainings, spec.threads, folder)
    results = gather([run_content(training) for training in trainings], examples, without_seed, online)
    left_out: list[str] = []
    if "minutes" in spec.budget:  # only a budget of time depends on the processor time that a training got
        slow = slow_trainings([training for training in trainings if training.name not in without_seed])
        left_out = sorted({training.name for training in slow})
    terms = {**asdict(spec), "sizes": {name: dict(values) for name, values in sizes.items()}}
    special = _incomparable(spec) or _forecasts(spec, trainings)
    report = make_report(results, terms, shlex.join(spec.command(str(folder))), left_out, special)
    facts = {
        name: ModelFacts(
            spec.specs[name].model, flatten(make_settings(spec.task, spec.specs[name].model, values, spec.data))
        )
        for name, values in settings.items()
    }
    report |= make_advice(results, report, facts, tasks[spec.task].models(), bool(spec.tune)) if not special else {}
    report["worst_examples"] = worst_examples(results, trainings, examples, folder, spec.threads)
    if "minutes" in spec.budget:
        minutes, threads = spec.budget["minutes"], results.rows[0].threads
        report["notes"].append(
            f"The result is about {minutes:g} minutes of training on this machine, with {threads} "
            f"thread{'s' if threads != 1 else ''}: a faster machine trains more in the same time."
        )
    machines = machines_of(folder)
    report["machines"] = {training.folder.name: machines.get(training.folder.name, "") for training in trainings}
    if spec.tune:
        tuning = read_json(folder / "tuning.json")
        report |= {"tuning": tuning}
        report["notes"].append(tuning_note(spec.tune, tuning))
    report["warnings"] += [sentence for sentence in [_leakage(spec)] if sentence]
    if _incomparable(spec):
        report |= {"differences": [], "pairs": []}
    return write_report(results, report, folder, figures)


def make_report(
    results: Results, terms: Mapping[str, Any], command: str, left_out: Sequence[str], special: str = ""
) -> dict[str, Any]:
    """The content of `report.json`. `left_out`: models that the verdict ignores. `special`: a verdict of the task."""
    models = [results.scores[row.model] for row in results.rows if row.model not in left_out]
    pairs = pairwise(models, results.lower_is_better)
    differences = to_leader(pairs, models)
    return {
        "task": terms["task"],
        "score": results.score,
        "lower_is_better": results.lower_is_better,
        "verdict": special or verdict(models, differences, results.score, results.lower_is_better, results.unit),
        "notes": notes(results.rows, results.unit, left_out),
        "warnings": warnings(results.rows, differences, results.unit, results.lower_is_better, terms["budget"]),
        "leader": models[0].model,
        "differences": [difference.to_json() for difference in differences],
        "pairs": [difference.to_json() for difference in pairs],
        "examples": {"number": results.examples, "unit": results.unit},
        "terms": dict(terms),
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": results.rows[0].threads,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "rows": [row.to_json() for row in results.rows],
        "runs": results.runs,
    }


def make_advice(
    results: Results,
    report: Mapping[str, Any],
    facts: Mapping[str, ModelFacts],
    available: Sequence[str],
    tuned: bool,
) -> dict[str, Any]:
    """The parts of the report that answer questions: `answers`, `recommendations`, `next_steps`. `facts`: the model and
    the settings of each name; `available`: the models of the task."""
    pairs = [Difference.from_json(content) for content in report["pairs"]]
    differences = [Difference.from_json(content) for content in report["differences"]]
    names = {report["leader"], *(difference.model for difference in differences)}
    rows = [row for row in results.rows if row.model in names]
    return {
        "answers": [answer._asdict() for answer in answers(rows, pairs, facts, results.score)],
        "recommendations": recommendations(rows, differences, results.score),
        "next_steps": next_steps(rows, differences, facts, results.lower_is_better, available, tuned),
    }


def write_report(results: Results, report: dict[str, Any], folder: Path, figures: Path | None) -> Comparison:
    from seqloom.comparison.report import report_page  # charts take a third of a second to import

    report = json.loads(json.dumps(report))  # the same as reading the file gives
    write_atomic(folder / "report.json", json.dumps(report, indent=2) + "\n")
    write_atomic(folder / "report.md", markdown_table(report, results.rows))
    write_atomic(folder / "report.tex", latex_table(report, results.rows))
    report_page(report).write(folder / "report.html", figures)
    return Comparison(folder, results.rows, report)


def _facts(spec: ComparisonSpec, name: str, settings: Mapping[str, Any]) -> ModelFacts:
    model = spec.specs[name].model
    return ModelFacts(model, flatten(make_settings(spec.task, model, settings, spec.data)))


def _leakage(spec: ComparisonSpec) -> str:
    task, name = tasks[spec.task], spec.models[0]
    if not isinstance(task, Diagnoses):
        return ""
    recipe = task.recipe(make_settings(spec.task, spec.specs[name].model, spec.settings_of(name), spec.data))
    return leakage_warning(prepare(spec.sources(), recipe, cache_folder()).train)


def _incomparable(spec: ComparisonSpec) -> str:
    """Why the scores of these models cannot be compared; empty if they can."""
    task = tasks[spec.task]
    models = list(dict.fromkeys(model.model for model in spec.specs.values()))
    return task.apart(models) if isinstance(task, Incomparable) else ""


def _forecasts(spec: ComparisonSpec, trainings: Sequence[Training]) -> str:
    """The verdict on forecasting models, paired over series or origins; empty for other tasks. It uses the run of each
    model with the first seed."""
    if not isinstance(tasks[spec.task], Forecasts):
        return ""
    runs = {t.name: load(t.folder, threads=spec.threads) for t in trainings if t.seed == 1}
    return forecast_verdict({name: run.backtest(spec.test or spec.data) for name, run in runs.items()})


def _processor() -> str:
    """The name of the processor if the system reports it, otherwise its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
