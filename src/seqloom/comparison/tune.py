"""`compare --tune`: a small search for the settings of each model, the same number of trials for all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.comparison.spec import TUNED, ComparisonSpec
from seqloom.comparison.trainings import Runner, Settings, Training, has_no_seed
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom.tasks.tuning import Range, tuning_ranges
from seqloom.training.reports import read_summary


class Trial(NamedTuple):
    """`point`: where in the ranges; `settings`: the same, rounded; `score` on the validation data; `cost`: the score,
    negative where higher is better."""

    point: dict[str, float]
    settings: dict[str, Any]
    score: float
    seconds: float
    cost: float


class _Search(NamedTuple):
    """The search for the settings of one model: `settings` without tuning, the `ranges`, and the `trials` so far."""

    name: str
    settings: Mapping[str, Any]
    ranges: Mapping[str, Range]
    trials: list[Trial]

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.cost)

    def next_point(self) -> tuple[dict[str, float], dict[str, Any]]:
        """The point of the next trial, and its settings; the first trial has the presets."""
        if not self.trials:
            return {name: r.preset for name, r in self.ranges.items()}, {}
        point = _suggest(self.ranges, self.trials)
        return point, {name: self.ranges[name].rounded(value) for name, value in point.items()}


def tuned_spec(
    spec: ComparisonSpec,
    settings: Settings,
    folder: Path,
    runner_with: Callable[[Settings], Runner],
    quiet: bool,
) -> ComparisonSpec:
    """The comparison with a tuned model beside each model that has something to tune. `settings` are those without
    tuning, by model; `runner_with` makes what trains with other ones, several models at a time if the user wants that.
    Finished trials are not repeated. Writes `tuning.json` into the folder: all trials, and their cost."""
    searches = []
    for name in spec.models:
        ranges = tuning_ranges(spec.all_settings(name, settings[name]), with_sizes=spec.equal == "minutes")
        ranges = {setting: r for setting, r in ranges.items() if setting not in spec.specs[name].settings}
        if ranges and not has_no_seed(spec, name):
            searches.append(_Search(name, settings[name], ranges, []))
    for number in range(1, spec.tune + 1):
        _try_once(spec, searches, number, folder, runner_with, quiet)
    report = {
        search.name: {
            "ranges": {setting: [r.low, r.high] for setting, r in search.ranges.items()},
            "trials": [{n: v for n, v in trial._asdict().items() if n != "cost"} for trial in search.trials],
            "seconds": sum(trial.seconds for trial in search.trials),
            "best": search.best.settings,
        }
        for search in searches
    }
    write_atomic(folder / "tuning.json", json.dumps(report, indent=2) + "\n")
    # Where the presets were best there is no tuned model.
    tuned = {search.name + TUNED: search.best.settings for search in searches if search.best.settings}
    bases = {name: [name, *([name + TUNED] if name + TUNED in tuned else [])] for name in spec.models}
    return replace(spec, models=tuple(n for names in bases.values() for n in names), tuned=tuned)


def _try_once(
    spec: ComparisonSpec,
    searches: Sequence[_Search],
    number: int,
    folder: Path,
    runner_with: Callable[[Settings], Runner],
    quiet: bool,
) -> None:
    """One more trial of every model."""
    points = {search.name: search.next_point() for search in searches}
    trainings = [
        Training(search.name, 1, folder / "tuning" / f"{spec.folders[search.name]}-trial{number}")
        for search in searches
    ]
    for training in trainings:
        if not quiet and not training.is_finished:
            shown = _shown(points[training.name][1])
            print(f"tuning {training.name}, trial {number} of {spec.tune}: {shown}", file=sys.stderr)
    run = runner_with({search.name: {**search.settings, **points[search.name][1]} for search in searches})
    run([training for training in trainings if not training.is_finished])
    for search, training in zip(searches, trainings, strict=True):
        summary = read_summary(training.folder)
        score = summary["valid"][summary["score"]]
        cost = score if summary["lower_is_better"] else -score
        search.trials.append(Trial(*points[search.name], score, summary["seconds"], cost))


def _suggest(ranges: Mapping[str, Range], trials: Sequence[Trial]) -> dict[str, float]:
    """The next point, by a tree-structured Parzen estimator (Bergstra et al. 2011). It depends on the trials and their
    number only, so that an interrupted search resumes as if it had not been."""
    optuna = _optuna()
    distributions = {n: optuna.distributions.FloatDistribution(r.low, r.high, log=r.log) for n, r in ranges.items()}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=len(trials), n_startup_trials=4))
    for trial in trials:
        study.add_trial(optuna.trial.create_trial(params=trial.point, distributions=distributions, value=trial.cost))
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
