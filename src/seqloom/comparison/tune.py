"""`compare --tune`: a small search for the settings of each model, the same number of trials for all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.comparison.spec import TUNED, ComparisonSpec
from seqloom.comparison.trainings import Training, has_no_seed, train_once
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom.tasks.tuning import Range, tuning_ranges
from seqloom.training.reports import read_summary


class Trial(NamedTuple):
    """`point`: where in the ranges; `settings`: the same, rounded; `score` on the validation data."""

    point: dict[str, float]
    settings: dict[str, Any]
    score: float
    seconds: float


def tuned_spec(
    spec: ComparisonSpec, settings: Mapping[str, Mapping[str, Any]], folder: Path, quiet: bool
) -> ComparisonSpec:
    """The comparison with a tuned model beside each model that has something to tune. `settings` are those without
    tuning, by model. Writes `tuning.json` into the folder: all trials, and their cost."""
    tuned, report = {}, {}
    for name in spec.models:
        values = spec.all_settings(name, settings[name])
        ranges = tuning_ranges(values, with_sizes=spec.equal == "minutes")
        ranges = {setting: r for setting, r in ranges.items() if setting not in spec.specs[name].settings}
        if not ranges or has_no_seed(spec, name):
            continue
        trials, best = _search(spec, name, ranges, settings[name], folder, quiet)
        if best.settings:  # otherwise the presets were best
            tuned[name + TUNED] = best.settings
        report[name] = {
            "ranges": {setting: [r.low, r.high] for setting, r in ranges.items()},
            "trials": [trial._asdict() for trial in trials],
            "seconds": sum(trial.seconds for trial in trials),
            "best": best.settings,
        }
    write_atomic(folder / "tuning.json", json.dumps(report, indent=2) + "\n")
    bases = {name: [name, *([name + TUNED] if name + TUNED in tuned else [])] for name in spec.models}
    return replace(spec, models=tuple(n for names in bases.values() for n in names), tuned=tuned)


def _search(
    spec: ComparisonSpec,
    name: str,
    ranges: Mapping[str, Range],
    settings: Mapping[str, Any],
    folder: Path,
    quiet: bool,
) -> tuple[list[Trial], Trial]:
    """All trials and the best one; finished trials are not repeated. The first trial has the presets."""
    trials: list[Trial] = []
    lower = True
    for number in range(spec.tune):
        point = {n: r.preset for n, r in ranges.items()} if number == 0 else _suggest(ranges, trials, lower, number)
        trial_settings = {n: ranges[n].rounded(value) for n, value in point.items()} if number else {}
        training = Training(name, 1, folder / "tuning" / f"{spec.folders[name]}-trial{number + 1}")
        if not quiet and not training.is_finished:
            print(f"tuning {name}, trial {number + 1} of {spec.tune}: {_shown(trial_settings)}", file=sys.stderr)
        train_once(spec, {name: {**settings, **trial_settings}}, training, quiet)
        summary = read_summary(training.folder)
        lower = summary["lower_is_better"]
        score = summary["valid"][summary["score"]]
        trials.append(Trial(point, trial_settings, score, summary["seconds"]))
    best = min(trials, key=lambda trial: trial.score if lower else -trial.score)
    return trials, best


def _suggest(
    ranges: Mapping[str, Range], trials: Sequence[Trial], lower_is_better: bool, number: int
) -> dict[str, float]:
    """The next point, by a tree-structured Parzen estimator (Bergstra et al. 2011). It depends on the trials and their
    number only, so that an interrupted search resumes as if it had not been."""
    optuna = _optuna()
    distributions = {n: optuna.distributions.FloatDistribution(r.low, r.high, log=r.log) for n, r in ranges.items()}
    sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=4)
    study = optuna.create_study(direction="minimize" if lower_is_better else "maximize", sampler=sampler)
    for trial in trials:
        study.add_trial(optuna.trial.create_trial(params=trial.point, distributions=distributions, value=trial.score))
    return dict(study.ask(distributions).params)


def tuning_note(trials: int, tuning: Mapping[str, Any]) -> str:
    """A sentence on what was tuned and what it cost; `tuning` is the content of `tuning.json`."""
    total = sum(model["seconds"] for model in tuning.values())
    settings = "; ".join(f"{name}: {_shown(model['best'])}" for name, model in tuning.items())
    return (
        f"Tuned: {trials} trials of each model, each with the budget of a training, scored on the validation data; "
        f"{total / 60:,.1f} minutes beside the trainings. Best settings: {settings}."
    )


def check_tuning_installed() -> None:
    """Raises RequestError if Optuna is not installed."""
    _optuna()


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise RequestError(
            "Optuna is not installed", where="--tune", hint="install the extra: pip install 'seqloom[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _shown(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in settings.items()) or "the presets"
