"""The trainings of a comparison: each model with each seed, one after the other, resumed if they were interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.comparison.spec import ComparisonSpec, assignments
from seqloom.comparison.training_process import SECONDS_TO_SAVE, run_training
from seqloom.errors import SeqloomError
from seqloom.files import make_folder, writing
from seqloom.models.fitted import FittedByPasses
from seqloom.storage.folder import locked_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import FitsWithoutGradients
from seqloom.training.reports import read_summary

FAIR_SHARE = 0.8
"""The smallest fair share of processor time, relative to the best training: with less, terms are not equal."""

LEAST_SHARE = 0.8
"""Of the processor time that a training could use: if even the best got less, there is no verdict."""

Settings = Mapping[str, Mapping[str, Any]]
"""The settings of each model by its name."""


class Training(NamedTuple):
    """A model, by its name in the comparison, with a seed; `fold`, from 1, is its test part if there are folds."""

    name: str
    seed: int
    folder: Path
    fold: int = 0

    @property
    def is_finished(self) -> bool:
        return (self.folder / "summary.json").exists() and bool(read_summary(self.folder)["finished"])


Runner = Callable[[Sequence[Training]], None]
"""Finishes trainings: one after the other, several at a time, or on a cluster."""


def plan_trainings(spec: ComparisonSpec, folder: Path) -> list[Training]:
    """Seed by seed, so that an interrupted comparison has compared all models with the first seeds."""
    last_seed = {name: 1 if has_no_seed(spec, name) else spec.seeds for name in spec.models}
    return [
        Training(name, seed, folder / "runs" / f"{spec.folders[name]}-seed{seed}{f'-fold{fold}' if fold else ''}", fold)
        for seed in range(1, spec.seeds + 1)
        for name in spec.models
        if seed <= last_seed[name]
        for fold in (range(1, spec.folds + 1) if spec.folds else [0])
    ]


def first_folders(trainings: Sequence[Training]) -> dict[str, Path]:
    """The folder of the first training of each name."""
    folders: dict[str, Path] = {}
    for training in trainings:
        folders.setdefault(training.name, training.folder)
    return folders


def has_no_seed(spec: ComparisonSpec, name: str) -> bool:
    """Whether every seed gives the same model, as for count-based models."""
    return is_deterministic(spec.task, spec.specs[name].model, spec.all_settings(name))


def is_deterministic(task_name: str, model: str, settings: Any) -> bool:
    """Whether the training of a model does not depend on the seed."""
    task = tasks[task_name]
    fitted = task.fitted(model, settings) if isinstance(task, FitsWithoutGradients) else None
    return fitted is not None and not isinstance(fitted, FittedByPasses)


def train_all(spec: ComparisonSpec, trainings: Sequence[Training], run: Runner, quiet: bool) -> None:
    """Trains what is not finished. With a budget in minutes, a training that got less than its fair share of processor
    time is trained a second time, unless the machine was so busy that there will be no verdict."""
    log = _silent if quiet else to_standard_error
    if "minutes" in spec.budget and any(not training.is_finished for training in trainings):
        minutes = spec.budget["minutes"] * sum(not has_no_seed(spec, training.name) for training in trainings)
        log(f"{len(trainings)} trainings, {spec.budget['minutes']:g} minutes each: about {minutes:.3g} minutes in all")
    run([training for training in trainings if not training.is_finished])
    if "minutes" not in spec.budget:
        return
    networks = [training for training in trainings if not has_no_seed(spec, training.name)]
    if _best_share(networks) < LEAST_SHARE:
        return
    again = []
    for training in slow_trainings(networks):
        slow = training.folder.parent.parent / "slow" / training.folder.name
        if slow.exists():
            continue  # it was trained twice already
        log(f"{training.name}, seed {training.seed}: it got too little processor time and is trained again")
        make_folder(slow.parent)
        with writing(slow):
            training.folder.rename(slow)
        again.append(training)
    run(again)


def slow_trainings(trainings: Sequence[Training]) -> list[Training]:
    """The trainings that got less processor time than the best one, because the machine was busy."""
    least = FAIR_SHARE * _best_share(trainings)
    return [training for training in trainings if _processor_share(training) < least]


def _best_share(trainings: Sequence[Training]) -> float:
    return max(map(_processor_share, trainings), default=1.0)


def _processor_share(training: Training) -> float:
    """The processor time that a training got, of what it could have used; 1 for those by older versions, which did not
    measure it."""
    return read_summary(training.folder).get("processor_share") or 1.0


def train_once(spec: ComparisonSpec, settings: Settings, training: Training, quiet: bool) -> None:
    """Trains a model, or resumes an interrupted training; does nothing if the training is finished."""
    run = training.folder
    if run.exists():
        try:
            with locked_folder(run, wait_seconds=SECONDS_TO_SAVE):
                pass  # a training whose comparison was killed saves its checkpoint and stops
        except SeqloomError:
            if run.exists():  # where it had saved nothing, it removed its folder
                raise
    if training.is_finished:
        return
    resume = (run / "config.toml").exists()
    arguments = training_arguments(spec, settings, training) + (["--resume"] if resume else [])
    run_training(arguments, f"{training.name} with seed {training.seed}", quiet)


def training_arguments(spec: ComparisonSpec, settings: Settings, training: Training) -> list[str]:
    """The arguments of `seqloom train`."""
    model = spec.specs[training.name].model
    arguments = [spec.task, spec.data, "--model", model, "--out", str(training.folder), "--seed", str(training.seed)]
    arguments += ["--threads", str(spec.threads)]
    arguments += ["--split-seed", str(spec.split_seed)] if spec.split_seed else []
    arguments += ["--folds", str(spec.folds), "--fold", str(training.fold)] if training.fold else []
    for option, value in (("valid", spec.valid), ("test", spec.test), *spec.budget.items()):
        arguments += [f"--{option}", str(value)] if value is not None else []
    for assignment in assignments(settings[training.name]):
        arguments += ["--set", assignment]
    return arguments


def to_standard_error(line: str) -> None:
    print(line, file=sys.stderr)


def _silent(line: str) -> None: ...
