"""`compare`: trains every model with every seed and reports the results."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from seqloom.comparison.equal_size import equal_sizes
from seqloom.comparison.examples import example_scores
from seqloom.comparison.jobs import check_jobs, machines_of, make_runner
from seqloom.comparison.leakage import leakage_warning
from seqloom.comparison.near_duplicates import near_duplicates_warning
from seqloom.comparison.questions import ModelFacts
from seqloom.comparison.report_content import Comparison, make_report, write_report
from seqloom.comparison.results import gather, measure_online, run_content
from seqloom.comparison.spec import TUNED, ComparisonSpec, claim_folder, make_spec
from seqloom.comparison.trainings import (
    Settings,
    Training,
    has_no_seed,
    plan_trainings,
    slow_trainings,
    train_all,
)
from seqloom.comparison.tune import check_tuning_installed, tuned_spec, tuning_note
from seqloom.comparison.worst_examples import worst_examples
from seqloom.config import flatten
from seqloom.data.corpus import CustomRecipe, Recipe, prepare
from seqloom.data.input_source import DataSource, paths_of
from seqloom.errors import shared_warnings
from seqloom.processors import num_threads
from seqloom.runtime import cache_folder
from seqloom.storage.folder import locked_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Diagnoses
from seqloom.training.reports import read_json


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
    try:
        with shared_warnings():
            return _compare(spec, Path(out), jobs, cluster, quiet, None if figures is None else Path(figures))
    except KeyboardInterrupt:
        if not quiet:
            print("the same command resumes where this one stopped", file=sys.stderr)
        raise


def _compare(
    spec: ComparisonSpec, folder: Path, jobs: int, cluster: str, quiet: bool, figures: Path | None
) -> Comparison:
    """Finishes what is not finished in `folder`: sizes, tuning, trainings, report."""
    with locked_folder(folder):
        claim_folder(folder, asdict(spec))
        sizes = equal_sizes(spec, folder) if spec.equal != "minutes" else {}
        if spec.tune:
            untuned = partial(make_runner, spec, folder=folder, jobs=jobs, cluster=cluster, quiet=quiet)
            spec = tuned_spec(spec, _with_sizes(spec, sizes), folder, untuned, quiet)
            sizes = {name: sizes.get(name.removesuffix(TUNED), {}) for name in spec.models}
        trainings = plan_trainings(spec, folder)
        run = make_runner(spec, _with_sizes(spec, sizes), folder, jobs, cluster, quiet)
        train_all(spec, trainings, run, quiet)
        return _conclude(spec, trainings, sizes, folder, figures)


def _with_sizes(spec: ComparisonSpec, sizes: Mapping[str, Mapping[str, int]]) -> Settings:
    return {name: {**spec.settings_of(name), **sizes.get(name, {})} for name in spec.models}


def _conclude(
    spec: ComparisonSpec,
    trainings: Sequence[Training],
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
    held_out_part = _recipe(spec).held_out_part(spec.sources())
    terms = {**asdict(spec), "sizes": {n: dict(values) for n, values in sizes.items()}, "held_out_part": held_out_part}
    models = {name: model.model for name, model in spec.specs.items()}
    facts = {name: ModelFacts(models[name], flatten(spec.all_settings(name, sizes.get(name)))) for name in spec.models}
    report = make_report(results, terms, shlex.join(spec.command(str(folder))), facts, left_out)
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
        report["tuning"] = read_json(folder / "tuning.json")
        report["notes"].append(tuning_note(spec.tune, report["tuning"]))
    report["warnings"] += [warning for warning in (_leakage(spec), _near_duplicates(spec)) if warning]
    return write_report(results, report, folder, figures)


def _recipe(spec: ComparisonSpec) -> Recipe[Any, Any] | CustomRecipe:
    """How the data is split and encoded, the same for all models."""
    return tasks[spec.task].recipe(spec.all_settings(spec.models[0]))


def _near_duplicates(spec: ComparisonSpec) -> str:
    """A warning if many test texts are nearly equal to training texts."""
    folds = range(1, spec.folds + 1) if spec.folds else [0]
    return near_duplicates_warning((spec.sources(fold) for fold in folds), _recipe(spec), cache_folder())


def _leakage(spec: ComparisonSpec) -> str:
    """A warning if one token of the training data gives a label away; empty if none does."""
    task = tasks[spec.task]
    if not isinstance(task, Diagnoses):
        return ""
    return leakage_warning(prepare(spec.sources(), _recipe(spec), cache_folder()).train)
