"""`compare` of finished runs: scored on the same data, with the same tests, without training."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqloom.comparison.examples import opened, read_example_scores, save_example_scores, score_examples
from seqloom.comparison.questions import ModelFacts
from seqloom.comparison.report_content import Comparison, make_report, write_report
from seqloom.comparison.results import gather, measure_online, run_content
from seqloom.comparison.spec import claim_folder
from seqloom.comparison.trainings import Training, is_deterministic
from seqloom.comparison.worst_examples import worst_examples
from seqloom.config import flatten
from seqloom.data.input_source import DataSource, content_hash, path_of
from seqloom.data.tables.columns import columns_text
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom.metrics.example_scores import ExampleScores
from seqloom.run.run import Run
from seqloom.runtime import cache_folder
from seqloom.storage.folder import locked_folder
from seqloom.training.reports import read_json


class ScoredRun(NamedTuple):
    """A finished run on the common data. `config` is that of the run without its seed; `contents` are the hashes of
    what it was trained on."""

    folder: Path
    task: str
    model: str
    seed: int
    config: str
    budget: Mapping[str, float]
    contents: Mapping[str, str]
    summary: dict[str, Any]
    examples: ExampleScores | None
    deterministic: bool
    settings: Mapping[str, Any]


def compare_runs(
    runs: Sequence[str | Path],
    data: DataSource,
    *,
    out: str | Path,
    columns: Mapping[str, str | int] | None = None,
    threads: int = 0,
    figures: str | Path | None = None,
) -> Comparison:
    """Scores finished runs on `data` and returns the scoreboard. Runs that differ only in their seed are one model.

    `out` is the folder of the report; `columns` are those of the data, by default the ones of each run's training.
    Raises RequestError, with the name of each run and the reason, if runs cannot be compared: not finished, of
    different tasks, trained on `data`, or with tokenizers that count different targets.
    """
    folders = list(dict.fromkeys(Path(run) for run in runs))
    path = path_of(data, cache_folder())
    folder = Path(out)
    with locked_folder(folder):
        content = {"runs": [str(run) for run in folders], "data": path}
        if columns:
            content["columns"] = columns_text(columns)
        if Path(path).is_file():
            content["contents"] = content_hash(path)
        claim_folder(folder, content)
        scored = [
            _score(run, path, columns, folder / "examples" / f"{number}.npz", threads)
            for number, run in enumerate(folders)
        ]
        _refuse_incomparable(scored, path)
        return _conclude(
            _with_common_groups(scored), path, columns, threads, folder, None if figures is None else Path(figures)
        )


def _score(folder: Path, data: str, columns: Mapping[str, str | int] | None, file: Path, threads: int) -> ScoredRun:
    """Evaluates a run on the data; `file` and a file of the same name with `.json` keep the scores."""
    with opened(folder, threads) as run:
        summary = run.summary
        if not summary.get("finished"):
            raise RequestError("a run is not finished", where=str(folder), hint="continue its training with --resume")
        metrics = file.with_suffix(".json")
        examples = read_example_scores(file)
        if not metrics.exists() or (examples is None and file.exists()):
            encoded = run.read(data, columns)
            examples = score_examples(run, encoded)
            if examples is not None:
                save_example_scores(examples, file)
            write_atomic(metrics, json.dumps(run.evaluate(encoded), indent=2) + "\n")
        config = {name: value for name, value in run.plan.to_toml().items() if name not in ("seed", "sources")}
        return ScoredRun(
            folder,
            run.plan.task,
            run.plan.model,
            run.plan.seed,
            json.dumps(config, sort_keys=True, default=str),
            run.plan.budget.model_dump(exclude_defaults=True),
            run.plan.contents,
            {**summary, "test": read_json(metrics)},
            examples,
            is_deterministic(run.plan.task, run.plan.model, run.plan.settings),
            flatten(run.plan.settings),
        )


def _refuse_incomparable(runs: Sequence[ScoredRun], data: str) -> None:
    """Raises RequestError with every run that cannot be compared with the first one, and the reason."""
    first = runs[0]
    digest = content_hash(data) if Path(data).is_file() else ""
    reasons = {}
    for number, run in enumerate(runs):
        reason = _reason(run, first)
        if not reason and digest and run.contents.get("data") == digest:
            reason = "it was trained on this data"
        if not reason and any(run.config == earlier.config and run.seed == earlier.seed for earlier in runs[:number]):
            reason = "another of the runs is the same training with the same seed"
        if reason:
            reasons[str(run.folder)] = reason
    if reasons:
        raise RequestError(
            "the runs cannot be compared",
            got="; ".join(f"{run}: {reason}" for run, reason in reasons.items()),
            expected=f"finished runs of one task, like {first.folder}, scored on data that none was trained on",
        )


def _reason(run: ScoredRun, first: ScoredRun) -> str:
    """Why a run cannot be compared with the first one; empty if it can."""
    if run.task != first.task:
        return f"its task is {run.task}, not {first.task}"
    if run.summary["score"] != first.summary["score"]:
        return f"its score is {run.summary['score']}, not {first.summary['score']}"
    if run.examples is None or first.examples is None:
        return ""
    if len(run.examples.sums) != len(first.examples.sums):
        return f"it reads {len(run.examples.sums):,} examples from the data, not {len(first.examples.sums):,}"
    # In every metric, the second column counts the targets of the references: tokens, spans, words.
    if not np.array_equal(run.examples.sums[:, 1], first.examples.sums[:, 1]):
        targets, expected = run.examples.sums[:, 1].sum(), first.examples.sums[:, 1].sum()
        return f"its {run.summary['score']} is over {targets:,.0f} targets, not {expected:,.0f}: its tokenizer differs"
    return ""


def _with_common_groups(runs: Sequence[ScoredRun]) -> list[ScoredRun]:
    """The runs, each with the groups of the first one that was trained on a column of groups: the examples are the
    same."""
    scored = [run.examples for run in runs if run.examples is not None]
    groups = next((examples.groups for examples in scored if examples.groups is not None), None)
    return [
        run if run.examples is None else run._replace(examples=replace(run.examples, groups=groups)) for run in runs
    ]


def _conclude(
    runs: Sequence[ScoredRun],
    data: str,
    columns: Mapping[str, str | int] | None,
    threads: int,
    folder: Path,
    figures: Path | None,
) -> Comparison:
    names = _names(runs)
    trainings = [Training(name, run.seed, run.folder) for name, run in zip(names, runs, strict=True)]
    contents = [run_content(training, run.summary) for training, run in zip(trainings, runs, strict=True)]
    without_seed = [name for name, run in zip(names, runs, strict=True) if run.deterministic]
    online = measure_online(trainings, threads, folder)
    results = gather(contents, [run.examples for run in runs], without_seed, online)
    models = list(dict.fromkeys(names))
    terms: dict[str, Any] = {
        "task": runs[0].task,
        "data": data,
        "valid": None,
        "test": data,
        "models": models,
        "seeds": max(names.count(model) for model in models),
        "budget": {},
        "threads": threads,
        "settings": {},
        "equal": "",
        "runs": [str(run.folder) for run in runs],
    }
    command = ["seqloom", "compare", *(str(run.folder) for run in runs), data, "--out", str(folder)]
    command += ["--columns", columns_text(columns)] if columns else []
    facts = {name: ModelFacts(run.model, run.settings) for name, run in zip(names, runs, strict=True)}
    report = make_report(results, terms, shlex.join(command), facts)
    examples = [run.examples for run in runs]

    def read(run: Run) -> Any:
        return run.read(data, columns)

    report["worst_examples"] = worst_examples(results, trainings, examples, folder, threads, read)
    report["notes"] += _notes(runs, names)
    return write_report(results, report, folder, figures)


def _names(runs: Sequence[ScoredRun]) -> list[str]:
    """The name of the model of each run: runs that differ only in their seed have one name, others have different
    names."""
    by_config: dict[str, str] = {}
    for run in runs:
        if run.config not in by_config:
            name, number = run.model, 1
            while name in by_config.values():
                number += 1
                name = f"{run.model} ({run.folder.name})" if number == 2 else f"{run.model} ({run.folder})"
            by_config[run.config] = name
    return [by_config[run.config] for run in runs]


def _notes(runs: Sequence[ScoredRun], names: Sequence[str]) -> list[str]:
    """That nothing was trained, and where the runs were not trained on equal terms."""
    sentences = ["These runs were trained before; nothing was trained for this comparison."]
    budgets = {
        name: ", ".join(f"{value:g} {unit}" for unit, value in run.budget.items())
        for name, run in zip(names, runs, strict=True)
        if not run.deterministic
    }
    if len(set(budgets.values())) > 1:
        listed = ", ".join(f"{name} {budget}" for name, budget in budgets.items())
        sentences.append(f"They had unequal budgets: {listed}.")
    if len({run.contents.get("data") for run in runs}) > 1:
        sentences.append("They were trained on different data.")
    return sentences
