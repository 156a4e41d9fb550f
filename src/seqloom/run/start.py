"""`train`: starts a training, or goes on with one, and leaves a run."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from seqloom.config import build, write_toml
from seqloom.data.corpus import Corpus, Drawing, Recipe, Sources, prepare
from seqloom.data.given import Given, path_of
from seqloom.errors import RequestError
from seqloom.files import make_folder, write_atomic
from seqloom.models.counted import Counted
from seqloom.models.fitted import FittedByPasses
from seqloom.models.tensors import load_model_tensors, model_tensors, read_tensors, write_tensors
from seqloom.run.fit import fit
from seqloom.run.fit_by_passes import Fitter
from seqloom.run.plan import Plan, check_folder, free_folder, make_settings, sizes
from seqloom.run.run import Run
from seqloom.runtime import Runtime, cache_folder, keep_freed_memory, within_memory
from seqloom.tasks import tasks
from seqloom.tasks.use import Calibrates, Fits, Trained
from seqloom.training.budget import Budget, Progress
from seqloom.training.optimizer import TrainingSettings
from seqloom.training.progress import Display, Silent, Terminal
from seqloom.training.ranks import Alone, make_fabric
from seqloom.training.trainer import Trainer
from seqloom.training.validation import Validation


def train(
    task: str,
    data: Given,
    *,
    model: str,
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

    `task` and `model` are names (see `seqloom list`); `data`, `valid`, `test` are paths (`.gz`, `.xz` and `-` too), or
    iterables of lines, which are kept in a file of the cache folder, or what else the task takes.
    Exactly one of `minutes`, `epochs`, `sequences`, `updates` says how long; with none of them it is 10 minutes.
    A model that counts takes what its one pass takes, whatever is given. `settings` are dotted names with values.
    `resume` goes on with the run in `out` as if it had never stopped.
    """
    if not (minutes or epochs or sequences or updates):
        minutes = 10.0
    budget = build(Budget, {"minutes": minutes, "epochs": epochs, "sequences": sequences, "updates": updates})
    held_out = (None if given is None else path_of(given, cache_folder()) for given in (valid, test))
    sources = Sources(path_of(data, cache_folder()), *held_out)
    plan = Plan(task, model, sources, budget, seed, make_settings(task, model, settings or {}, sources.data))
    folder = Path(out) if out is not None else free_folder(Path("runs") / f"{task}-{model}")
    check_folder(folder, plan, resume)
    options: TrainingSettings = getattr(plan.settings, "training", TrainingSettings())
    runtime = Runtime.start(device=device, precision=options.precision, threads=threads, seed=seed)
    chosen = tasks[task]
    is_fitted = isinstance(chosen, Fits) and chosen.fitted(model, plan.settings) is not None
    fabric: Any = Alone() if is_fitted and runtime.world_size == 1 else make_fabric(runtime)
    if not is_fitted:
        keep_freed_memory()
    with fabric.rank_zero_first():
        corpus = prepare(plan.sources, chosen.recipe(plan.settings), cache_folder())
    if resume:
        _check_text(folder, chosen.recipe(plan.settings), corpus)
    torch.manual_seed(seed)
    with ExitStack() as stack:
        stack.enter_context(within_memory(sizes(plan.settings)))
        network = chosen.build(corpus, model, plan.settings)
        display: Display = Silent()
        if runtime.rank == 0:
            make_folder(folder)
            corpus.codec.save(folder)
            write_toml(folder / "config.toml", plan.to_toml())
            if not quiet:
                display = stack.enter_context(Terminal(model))
        validation = Validation(chosen, Trained(network, corpus.codec, plan.settings), corpus.valid)
        if isinstance(network, Counted):
            progress = fit(network, corpus, validation, folder, runtime, fabric, display)
        elif isinstance(network, FittedByPasses):
            fitter = Fitter(network, corpus, validation, budget, runtime, folder, display)
            if resume:
                fitter.resume()
            progress = fitter.run()
        else:
            loader = chosen.train_loader(corpus, plan.settings, seed)
            trainer = Trainer(chosen, network, loader, validation, options, budget, runtime, fabric, folder, display)
            if resume:
                trainer.resume()
            progress = trainer.run()
            fabric.barrier()
            load_model_tensors(network, read_tensors(folder / "model.safetensors"), folder)
    run = Run(folder, plan, network, corpus.codec, runtime)
    network.eval()
    if isinstance(chosen, Calibrates):
        chosen.calibrate(run.trained, corpus.valid)  # each rank alike
    if runtime.rank == 0:
        if isinstance(chosen, Calibrates):
            write_tensors(folder / "model.safetensors", model_tensors(network))
        _summarise(run, progress, corpus)
    fabric.barrier()
    return run


def _check_text(folder: Path, recipe: Recipe[Any, Any] | Drawing, corpus: Corpus[Any, Any]) -> None:
    """Refuses to resume on a text that has changed, as far as its vocabulary shows it."""
    if (folder / "config.toml").exists() and recipe.load(folder).fingerprint() != corpus.codec.fingerprint():
        raise RequestError(
            "the text is no longer the one that the run was trained on", where=str(folder), hint="give another --out"
        )


def _summarise(run: Run, progress: Progress, corpus: Corpus[Any, Any]) -> None:
    """Scores the best weights on the validation and test text, and writes `summary.json`."""
    score = run.task.score(corpus.valid)
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
        "threads": torch.get_num_threads(),
        "score": score.name,
        "lower_is_better": score.lower_is_better,
        "valid": run.scores(corpus.valid),
        "test": run.scores(corpus.test) if corpus.test is not None else None,
    }
    write_atomic(run.folder / "summary.json", json.dumps(summary, indent=2) + "\n")


def peak_memory_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
