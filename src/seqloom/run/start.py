"""`train`: starts a training, or goes on with one, and leaves a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from seqloom.config import build, write_toml
from seqloom.data.corpus import Corpus, Recipe, Sources, SyntheticSource, prepare
from seqloom.data.input_source import Given, path_of
from seqloom.errors import RequestError
from seqloom.files import make_folder, write_atomic
from seqloom.memory import peak_memory_bytes, within_memory
from seqloom.processor_share import ProcessorShare
from seqloom.run.card import write_card
from seqloom.run.plan import Plan, check_folder, free_folder, make_settings, sizes, trainer_for
from seqloom.run.run import Run
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.threads import num_threads
from seqloom.training.budget import Budget, Progress
from seqloom.training.loop import TrainingLoop
from seqloom.training.progress import Display, Silent, Terminal


def train(
    task: str,
    data: Given,
    *,
    model: str | None = None,
    valid: Given | None = None,
    test: Given | None = None,
    minutes: float = 0.0,
    epochs: float = 0.0,
    sequences: int = 0,
    updates: int = 0,
    out: str | Path | None = None,
    seed: int = 1,
    device: str = "auto",
    threads: int = 0,
    resume: bool = False,
    quiet: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Trains a model and gives the run, the best weights loaded.

    `task` and `model` are names (see `seqloom list`); without `model` it is the task's default model. `data`, `valid`,
    `test` are paths (`.gz`, `.xz` and `-` too), or iterables of lines, which are kept in a file of the cache folder, or
    what else the task takes.
    Exactly one of `minutes`, `epochs`, `sequences`, `updates` says how long; with none of them it is 10 minutes.
    A count-based model takes what its one pass takes, whatever is given. `settings` are dotted names with values.
    `resume` goes on with the run in `out` as if it had never stopped.
    """
    if not (minutes or epochs or sequences or updates):
        minutes = 10.0
    model = model or tasks[task].default_model
    budget = build(Budget, {"minutes": minutes, "epochs": epochs, "sequences": sequences, "updates": updates})
    held_out = (None if given is None else path_of(given, cache_folder()) for given in (valid, test))
    sources = Sources(path_of(data, cache_folder()), *held_out)
    plan = Plan(task, model, sources, budget, seed, make_settings(task, model, settings or {}, sources.data))
    folder = Path(out) if out is not None else free_folder(Path("runs") / f"{task}-{model}")
    check_folder(folder, plan, resume)
    chosen = tasks[task]
    trainer = trainer_for(chosen, model, plan.settings)
    trainer.start(device=device, threads=threads, seed=seed, training=True)
    with trainer.processes.rank_zero_first():
        corpus = prepare(plan.sources, chosen.recipe(plan.settings), cache_folder())
    if resume:
        _check_text(folder, chosen.recipe(plan.settings), corpus)
    with ExitStack() as stack:
        stack.enter_context(within_memory(sizes(plan.settings)))
        trainer.build(corpus, seed, folder)
        display: Display = Silent()
        if trainer.runtime.rank == 0:
            make_folder(folder)
            corpus.codec.save(folder)
            write_toml(folder / "config.toml", plan.to_toml())
            if not quiet:
                display = stack.enter_context(Terminal(model))
        loop = TrainingLoop(trainer, budget, folder, display)
        if resume:
            loop.resume()
        processor = ProcessorShare()
        progress = loop.run()
        used = {"processor_seconds": round(processor.seconds, 3), "processor_share": processor.share(num_threads())}
        run = Run(folder, plan, trainer.finish(folder), corpus.codec, trainer.runtime)
    if trainer.runtime.rank == 0:
        _summarise(run, progress, corpus, used)
    trainer.processes.barrier()
    return run


def _check_text(folder: Path, recipe: Recipe[Any, Any] | SyntheticSource, corpus: Corpus[Any, Any]) -> None:
    """Refuses to resume on a text that has changed, as far as its vocabulary shows it."""
    if (folder / "config.toml").exists() and recipe.load(folder).fingerprint() != corpus.codec.fingerprint():
        raise RequestError(
            "the text is no longer the one that the run was trained on", where=str(folder), hint="give another --out"
        )


def _summarise(run: Run, progress: Progress, corpus: Corpus[Any, Any], used: Mapping[str, float]) -> None:
    """Scores the best weights on the validation and test text, and writes `summary.json`; `used` is what the training
    had of the processors."""
    score = run.task.score(corpus.valid)
    valid, test = run.evaluate(corpus.valid), run.evaluate(corpus.test) if corpus.test is not None else None
    summary = {
        "task": run.plan.task,
        "model": run.plan.model,
        "seed": run.plan.seed,
        "finished": progress.finished,
        "parameters": run.num_parameters(),
        **corpus.codec.facts(),
        "updates": progress.updates,
        "best_updates": progress.best_updates,
        "seconds": round(progress.seconds, 3),
        "targets_per_second": round(progress.targets_per_second(), 1),
        "peak_memory_bytes": peak_memory_bytes(),
        "threads": num_threads(),
        **used,
        "score": score.name,
        "lower_is_better": score.lower_is_better,
        "valid": valid,
        "test": test,
    }
    write_atomic(run.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_card(run, corpus)
