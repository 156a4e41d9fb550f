"""`train`: starts or resumes a training and leaves a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqloom.config import Settings, build, flatten, write_toml
from seqloom.data.corpus import Corpus, CustomRecipe, Recipe, Sources, prepare
from seqloom.data.input_source import DataSource, path_of, paths_of, rereadable
from seqloom.data.splits import NEWEST_RULE
from seqloom.errors import RequestError, warn
from seqloom.files import writing
from seqloom.memory import MemoryPeak, within_memory
from seqloom.models.fitted import FittedSettings
from seqloom.processors import num_threads
from seqloom.run.plan import (
    Plan,
    check_folder,
    column_settings,
    make_settings,
    sizes,
    trainer_for,
)
from seqloom.run.run import Run
from seqloom.run.summary import summarise
from seqloom.runtime import Runtime, cache_folder
from seqloom.storage.folder import locked_folder, locked_new_folder
from seqloom.tasks import tasks
from seqloom.training.budget import Budget
from seqloom.training.loop import StopOnSignal, TrainingLoop
from seqloom.training.reports import Display, LiveFile, Silent, Terminal, Together
from seqloom.training.trainer import Trainer

if TYPE_CHECKING:
    from seqloom.run.initialisation import Initialisation
    from seqloom.training.event_logs import EventLog


def train(
    task: str,
    data: DataSource,
    *,
    model: str | None = None,
    valid: DataSource | None = None,
    test: DataSource | None = None,
    minutes: float = 0.0,
    epochs: float = 0.0,
    sequences: int = 0,
    updates: int = 0,
    out: str | Path | None = None,
    seed: int = 1,
    split_seed: int = 0,
    fold: int = 0,
    folds: int = 0,
    device: str = "auto",
    threads: int = 0,
    resume: bool = False,
    quiet: bool = False,
    log: Sequence[str] = (),
    columns: Mapping[str, str | int] | None = None,
    settings: Mapping[str, Any] | None = None,
    initialise_from: Run | str | Path | None = None,
    freeze: Sequence[str] = (),
    replay: tuple[DataSource, float] | None = None,
) -> Run:
    """Trains a model and returns the run with the best weights loaded.

    `task` and `model` are names (see `seqloom list`); without `model`, the default model of the task is trained.
    `data`, `valid` and `test` are paths, frames of polars or pandas, or iterables of lines, tuples or dictionaries,
    which are copied to a file in the cache folder. A path may be a file (also `.gz` and `.xz`), a folder, a glob
    pattern, a dataset on disk, or `-` for standard input. `columns` maps roles to columns by number or name, such as
    `{"source": 3, "target": "German"}`. At most one of `minutes`, `epochs`, `sequences` and `updates` sets the budget;
    without any it is 10 minutes. A count-based model needs one pass and ignores the budget. `settings` maps dotted
    names to values. `split_seed` draws what is held out of `data`; with `folds`, the data is divided into so many equal
    parts, and part number `fold`, from 1, is the test part. `resume` continues the training in `out` as if it had never
    been interrupted. `log` names the trackers that get each row of metrics: `tensorboard`, `wandb`.

    `initialise_from`: a finished run, whose settings, tokenizer and weights are the beginning; new words and labels get
    new rows. Without `model` it is the model of that run. From a run of another task or model, the parts that fit are
    taken. `freeze`: names of parts of the network that are not trained. `replay`: data of the earlier training and the
    share of the training targets that are drawn from it, against forgetting.

    Raises RequestError for invalid requests, and SeqloomError if the data or the training fails.
    """
    if not (minutes or epochs or sequences or updates):
        minutes = 10.0
    resumed = _resumed_plan(out, resume)
    initialisation = _initialisation(initialise_from, task, model, out, resumed)
    model = initialisation.model if initialisation is not None else model or tasks[task].default_model
    budget = build(Budget, {"minutes": minutes, "epochs": epochs, "sequences": sequences, "updates": updates})
    paths = paths_of(data, valid, test, cache_folder())
    split_rule = NEWEST_RULE if resumed is None else resumed.sources.split_rule
    sources = Sources(*paths, split_seed, split_rule, fold, folds, *_replay_source(replay, initialisation))
    overrides = {**(settings or {}), **column_settings(task, columns or {})}
    if freeze:
        _check_network("--freeze", task, model)
        overrides["training.freeze"] = tuple(freeze)
    if initialisation is not None:
        made, ancestry = initialisation.settings(overrides, sources.data), initialisation.ancestry
    else:
        made, ancestry = _settings(task, model, overrides, sources.data, resumed), ()
    plan = Plan(task, model, sources, budget, seed, made, ancestry=ancestry)
    Runtime.check_launcher()
    if log:
        from seqloom.training.event_logs import check_event_logs

        check_event_logs(log)
    if out is not None:
        check_folder(Path(out), plan, resume)  # before anything starts, and again when the folder is locked
    trainer = trainer_for(tasks[task], model, plan.settings)
    with ExitStack() as stack:
        stack.enter_context(StopOnSignal(at_once=True))
        trainer.start(device=device, threads=threads, seed=seed, training=True)
        files = _files_for_all(sources, trainer)
        folder, plan = _claim_folder(None if out is None else Path(out), plan, files, trainer, resume, stack)
        return _train(plan, files, folder, trainer, resume, quiet, log, initialisation)


def _resumed_plan(out: str | Path | None, resume: bool) -> Plan | None:
    """The plan of the training to resume; None if a new one begins."""
    if not resume or out is None:
        return None
    with writing(Path(out)):
        is_run = (Path(out) / "config.toml").exists()
    return Plan.load(Path(out)) if is_run else None


def _settings(task: str, model: str, overrides: Mapping[str, Any], data: str, resumed: Plan | None) -> Settings:
    """A resumed training has the settings that it has, changed by `overrides`: since it was started, the defaults may
    have become others."""
    if resumed is not None and (resumed.task, resumed.model) == (task, model):
        return build(type(resumed.settings), flatten(resumed.settings), overrides)
    return make_settings(task, model, overrides, data)


def _initialisation(
    initialise_from: Run | str | Path | None,
    task: str,
    model: str | None,
    out: str | Path | None,
    resumed: Plan | None,
) -> Initialisation | None:
    """The run to initialise from, if there is one. Raises RequestError where a training is resumed without it."""
    if initialise_from is None:
        if resumed is not None and resumed.ancestry:
            raise RequestError(
                "the training was initialised from another run",
                where=str(out),
                expected=f"--from {resumed.ancestry[0].run}",
            )
        return None
    from seqloom.run.initialisation import Initialisation

    folder = initialise_from.folder if isinstance(initialise_from, Run) else Path(initialise_from)
    if resumed is not None and out is not None:
        return Initialisation.resumed(Path(out), resumed, folder, task, model)
    return Initialisation.from_run(folder, task, model)


def _check_network(option: str, task: str, model: str) -> None:
    """Raises RequestError where a model has no network."""
    if issubclass(tasks[task].settings(model), FittedSettings):
        raise RequestError("the model is not a network", where=option, got=f"{task} {model}")


def _replay_source(
    replay: tuple[DataSource, float] | None, initialisation: Initialisation | None
) -> tuple[str, float] | tuple[()]:
    if replay is None:
        return ()
    data, share = replay
    if initialisation is None:
        raise RequestError(
            "data is replayed only with a run to initialise from", where="--replay", expected="also --from RUN"
        )
    _check_network("--replay", task=initialisation.task, model=initialisation.model)
    if not 0 < share < 1:
        raise RequestError("the share of replayed data is out of range", where="--replay", got=share, expected="0 to 1")
    return path_of(data, cache_folder()), share


def _files_for_all(sources: Sources, trainer: Trainer) -> Sources:
    """The paths at which every process finds the data. The first process copies what can be read only once."""
    paths = sources.paths()
    if trainer.runtime.rank == 0:
        paths = {role: rereadable(path, cache_folder()) for role, path in paths.items()}
    return replace(sources, **trainer.processes.gather(paths)[0])


def _claim_folder(
    out: Path | None, plan: Plan, files: Sources, trainer: Trainer, resume: bool, stack: ExitStack
) -> tuple[Path, Plan]:
    """The run's folder, which the first process locks until `stack` is closed, and the plan with the hashes of the
    data."""
    folder = out
    if trainer.runtime.rank == 0:
        new = Path("runs") / f"{plan.task}-{plan.model}"
        folder = stack.enter_context(locked_new_folder(new) if out is None else locked_folder(out))
        plan = replace(plan, contents=plan.hashes(files))
        check_folder(folder, plan, resume)
    return trainer.processes.gather(folder)[0], plan


def _train(
    plan: Plan,
    files: Sources,
    folder: Path,
    trainer: Trainer,
    resume: bool,
    quiet: bool,
    log: Sequence[str],
    initialisation: Initialisation | None,
) -> Run:
    """Prepares the data, trains, and leaves a run in the folder."""
    recipe, is_first, memory = tasks[plan.task].recipe(plan.settings), trainer.runtime.rank == 0, MemoryPeak()
    if initialisation is not None:
        initialisation.prepare(trainer)
        recipe = initialisation.recipe(recipe, files)
    with trainer.processes.rank_zero_first():
        corpus = prepare(files, recipe, cache_folder())
        if initialisation is not None and files.replay is not None:
            corpus = initialisation.with_replay(corpus, recipe, files)
    if resume:
        _check_codec(folder, recipe, corpus)
    memory.end("data")
    live = LiveFile(folder)
    with ExitStack() as reports, ExitStack() as stack:
        stack.enter_context(within_memory(sizes(plan.settings)))
        trainer.build(corpus, plan.seed, folder)
        memory.end("model")
        if initialisation is not None:
            plan = replace(plan, ancestry=initialisation.taken(trainer.taken))
            _say_taken(plan, quiet or not is_first)
        display: Display = Silent()
        if is_first:
            corpus.codec.save(folder)
            write_toml(folder / "config.toml", plan.to_toml())
            shown = Silent() if quiet else stack.enter_context(Terminal(plan.model))
            logs = (stack.enter_context(event_log) for event_log in _event_logs(log, folder, plan))
            display = Together(shown, reports.enter_context(live), *logs)
        loop = TrainingLoop(trainer, plan.budget, folder, display, memory)
        if resume:
            loop.resume()
        progress = loop.run()
        share = loop.processor.share(num_threads())
        used = {"processor_seconds": round(progress.processor_seconds, 3), "processor_share": share}
        run = Run(folder, plan, trainer.finish(folder), corpus.codec, trainer.runtime)
        stack.close()  # ends the progress bar and the logs; those who watch are told until the summary is written
        if is_first:
            live.evaluate()
            summarise(run, progress, corpus, used, memory)
            if not progress.finished:
                hint = f"continue with --resume --out {folder}, in Python with resume=True"
                warn("the training was stopped before its end", hint=hint)
    trainer.processes.barrier()
    return run


def _event_logs(names: Sequence[str], folder: Path, plan: Plan) -> list[EventLog]:
    if not names:
        return []
    from seqloom.training.event_logs import EVENT_LOGS

    return [EVENT_LOGS[name](folder, plan.to_toml()) for name in dict.fromkeys(names)]


def _say_taken(plan: Plan, quiet: bool) -> None:
    if not quiet:
        nearest = plan.ancestry[0]
        print(f"from {nearest.run} ({nearest.task} {nearest.model}): {nearest.taken}", file=sys.stderr)


def _check_codec(folder: Path, recipe: Recipe[Any, Any] | CustomRecipe, corpus: Corpus[Any, Any]) -> None:
    """Raises RequestError where the codec is not that of the run. (Old runs have no hashes of their data.)"""
    if (folder / "config.toml").exists() and recipe.load(folder).fingerprint() != corpus.codec.fingerprint():
        raise RequestError(
            "the data is no longer what the run was trained on", where=str(folder), hint="give another --out"
        )
