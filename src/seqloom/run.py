"""A run: a trained model and its folder. `train` makes one, `load` opens one; both give a `Run`."""

from __future__ import annotations

import functools
import itertools
import json
import resource
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import create_model
from torch import nn

from seqloom.config import Settings, build, flatten, full_name, read_toml, write_toml
from seqloom.data.corpus import Corpus, Sources
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK, Tokenizer
from seqloom.decoding.sampling import Sampling, generate
from seqloom.decoding.scoring import LineScore, score_lines
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, write_atomic
from seqloom.runtime import Runtime, cache_folder, within_memory
from seqloom.tasks import tasks
from seqloom.tasks.task import Task, total_loss
from seqloom.training.budget import Budget, Progress
from seqloom.training.checkpoint import load_model_tensors, read_tensors
from seqloom.training.optimizer import TrainingSettings
from seqloom.training.progress import Display, Silent, Terminal
from seqloom.training.trainer import Data, Trainer, make_fabric

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """All that a training depends on; `config.toml` is this."""

    task: str
    model: str
    sources: Sources
    budget: Budget
    seed: int
    settings: Settings

    def to_toml(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "task": self.task,
            "model": self.model,
            "seed": self.seed,
            "sources": {name: path for name, path in asdict(self.sources).items() if path is not None},
            "budget": self.budget.model_dump(exclude_defaults=True),
            "settings": self.settings.model_dump(),
        }

    @classmethod
    def from_toml(cls, content: Mapping[str, Any], where: Path) -> Plan:
        if content.get("format") != FORMAT:
            raise RequestError(
                "the run was written by another version", where=str(where), got=content.get("format"), expected=FORMAT
            )
        try:
            kind = settings_type(content["task"], content["model"])
            return cls(
                task=content["task"],
                model=content["model"],
                sources=Sources(**content["sources"]),
                budget=build(Budget, content["budget"]),
                seed=content["seed"],
                settings=kind.model_validate(content["settings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError("the run's configuration is damaged", where=str(where), got=repr(error)) from None


@functools.cache
def settings_type(task: str, model: str) -> type[Settings]:
    """The class of all settings of a training: the task's own, the model's, the optimizer's."""
    own = tasks[task].settings(model)
    return create_model("RunSettings", __base__=own, training=(TrainingSettings, TrainingSettings()))


def make_settings(task: str, model: str, asked: Mapping[str, Any]) -> Settings:
    """The defaults, under the model's preset, under what is `asked` (names may be short)."""
    kind = settings_type(task, model)
    asked = {full_name(kind, name): value for name, value in asked.items()}
    known = {full_name(kind, name): value for name, value in tasks[task].preset(model, asked).items()}
    return build(kind, known, asked)


def train(
    task: str,
    data: str,
    *,
    model: str,
    valid: str | None = None,
    test: str | None = None,
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

    `task` and `model` are names (see `seqloom list`); `data`, `valid`, `test` are paths (`.gz`, `.xz` and `-` too).
    Exactly one of `minutes`, `epochs`, `sequences`, `updates` says how long; with none of them it is 10 minutes.
    `settings` are dotted names with values. `resume` goes on with the run in `out` as if it had never stopped.
    """
    if not (minutes or epochs or sequences or updates):
        minutes = 10.0
    budget = build(Budget, {"minutes": minutes, "epochs": epochs, "sequences": sequences, "updates": updates})
    plan = Plan(task, model, Sources(data, valid, test), budget, seed, make_settings(task, model, settings or {}))
    folder = Path(out) if out is not None else _free_folder(Path("runs") / f"{task}-{model}")
    _check_folder(folder, plan, resume)
    precision = plan.settings.training.precision  # type: ignore[attr-defined]
    runtime = Runtime.start(device=device, precision=precision, threads=threads, seed=seed)
    fabric = make_fabric(runtime)
    chosen = tasks[task]
    with fabric.rank_zero_first():
        corpus = chosen.read(plan.sources, plan.settings, cache_folder())
    if resume:
        _check_text(folder, corpus)
    torch.manual_seed(seed)
    with ExitStack() as stack:
        stack.enter_context(within_memory(_sizes(plan.settings)))
        network = chosen.build(corpus, model, plan.settings)
        display: Display = Silent()
        if runtime.rank == 0:
            make_folder(folder)
            write_toml(folder / "config.toml", plan.to_toml())
            corpus.tokenizer.save(folder / "tokenizer.json")
            if not quiet:
                display = stack.enter_context(Terminal(model))
        loaders = Data(
            chosen.train_loader(corpus, plan.settings, seed),
            chosen.exact_loader(corpus.valid, plan.settings),
            corpus.valid,
        )
        options: TrainingSettings = plan.settings.training  # type: ignore[attr-defined]
        trainer = Trainer(chosen, network, loaders, options, budget, runtime, fabric, folder, display)
        if resume:
            trainer.resume()
        progress = trainer.run()
    fabric.barrier()
    run = Run(folder, plan, network, corpus.tokenizer, runtime)
    load_model_tensors(network, read_tensors(folder / "model.safetensors"), folder)
    network.eval()
    if runtime.rank == 0:
        run.summarise(progress, corpus)
    fabric.barrier()
    return run


def load(folder: str | Path, *, device: str = "auto", threads: int = 0) -> Run:
    """Opens a run folder. Nothing in it is executed."""
    folder = Path(folder)
    if not (folder / "config.toml").exists():
        raise RequestError("this is not the folder of a run", where=str(folder), expected="a folder with config.toml")
    plan = Plan.from_toml(read_toml(folder / "config.toml"), folder / "config.toml")
    if not (folder / "model.safetensors").exists():
        raise RequestError(
            "the run has no model yet", where=str(folder), hint="its training was killed early; go on with --resume"
        )
    runtime = Runtime.start(device=device, precision="float32", threads=threads, seed=plan.seed)
    tensors = read_tensors(folder / "model.safetensors")
    with within_memory(_sizes(plan.settings)):
        network = tasks[plan.task].rebuild(tensors, plan.model, plan.settings)
    load_model_tensors(network, tensors, folder)
    network.to(runtime.device).eval()
    return Run(folder, plan, network, Tokenizer.load(folder / "tokenizer.json"), runtime)


class Run:
    """A trained model with its tokenizer, settings and folder."""

    def __init__(self, folder: Path, plan: Plan, model: nn.Module, tokenizer: Tokenizer, runtime: Runtime) -> None:
        self.folder, self.plan, self.model, self.tokenizer, self.runtime = folder, plan, model, tokenizer, runtime
        self.task: Task = tasks[plan.task]

    @property
    def summary(self) -> dict[str, Any]:
        """What was measured when training ended: scores, rate, parameters, peak memory."""
        path = self.folder / "summary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def evaluate(self, path: str) -> dict[str, float]:
        """The task's metrics on another file, by their plain names."""
        tokens = self.task.read_more(path, self.tokenizer, cache_folder())
        if not len(tokens):
            raise SeqloomError("there is nothing to evaluate on", where=path, expected="at least one line of text")
        loader = self.task.exact_loader(tokens, self.plan.settings)
        return self.task.metrics(total_loss(self.task, self.model, loader, self.runtime.device), tokens)

    def score(self, lines: Sequence[str]) -> list[LineScore]:
        """The log-probability of each line on its own, in nats, in the order given."""
        self._must_be_a_language_model("score")
        return score_lines(self.model, self.tokenizer.encode(lines), self._first_input())  # type: ignore[arg-type]

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 1,
        unknown: bool = False,
    ) -> Iterator[str]:
        """Yields the text that follows `prompt`, piece by piece.

        A model of lines stops at the end of the line; a model of a stream goes on after it. `<unk>` is drawn only
        where `unknown` allows it.
        """
        self._must_be_a_language_model("generate")
        first = self._first_input()
        # A stream goes on after the end of a line; for a model of lines there is nothing after it.
        lines = prompt.split("\n") if first == EOS else [prompt]
        begin = [first, *itertools.chain.from_iterable((EOS, *ids) for ids in self.tokenizer.encode(lines))]
        del begin[1]
        never = [PAD, SOS] + ([] if unknown else [UNK])
        ids = generate(
            self.model,  # type: ignore[arg-type]
            begin,
            sampling or Sampling(),
            never=never,
            seed=seed,
        )
        yield from self._text_of(ids, max_tokens, stop_at_end=first == SOS, begun=bool(lines[-1]))

    def _text_of(self, ids: Iterator[int], max_tokens: int, stop_at_end: bool, begun: bool) -> Iterator[str]:
        """The text of ids as it grows. A character made of several byte tokens is held back until it is whole, and left
        out where it never is."""
        line: list[int] = []
        shown = ""
        for _, token in zip(range(max_tokens), ids, strict=False):
            if token == EOS:
                if stop_at_end:
                    return
                yield "\n"
                line, shown, begun = [], "", False
                continue
            line.append(token)
            text = self.tokenizer.decode(line)
            if not text.endswith("\ufffd"):
                # Words are separated by blanks that the tokenizer does not keep; the first follows the prompt.
                yield (" " if begun and not shown and self.tokenizer.separates_words else "") + text[len(shown) :]
                shown = text

    def save(self, folder: str | Path) -> None:
        """Copies the run (not what is needed to resume it) to another folder."""
        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise RequestError("the folder is not empty", where=str(target))
        make_folder(target)
        for name in ("config.toml", "tokenizer.json", "model.safetensors", "metrics.jsonl", "summary.json"):
            if (self.folder / name).exists():
                shutil.copy2(self.folder / name, target / name)

    def summarise(self, progress: Progress, corpus: Corpus) -> None:
        """Scores the best weights on the validation and test text, and writes `summary.json`."""

        def scores(tokens: Any) -> dict[str, float]:
            loader = self.task.exact_loader(tokens, self.plan.settings)
            return self.task.metrics(total_loss(self.task, self.model, loader, self.runtime.device), tokens)

        summary = {
            "task": self.plan.task,
            "model": self.plan.model,
            "seed": self.plan.seed,
            "finished": progress.finished,
            "parameters": self.num_parameters(),
            "vocab_size": self.tokenizer.vocab_size,
            "updates": progress.updates,
            "best_updates": progress.best_updates,
            "seconds": round(progress.seconds, 3),
            "targets_per_second": round(progress.targets_per_second(), 1),
            "peak_memory_bytes": peak_memory_bytes(),
            "threads": torch.get_num_threads(),
            "valid": scores(corpus.valid),
            "test": scores(corpus.test) if corpus.test is not None else None,
        }
        write_atomic(self.folder / "summary.json", json.dumps(summary, indent=2) + "\n")

    def _first_input(self) -> int:
        return self.task.first_input(self.plan.settings)  # type: ignore[attr-defined]

    def _must_be_a_language_model(self, what: str) -> None:
        if not hasattr(self.model, "next_log_probs"):
            raise RequestError(f"{what} is for language models", where=str(self.folder), got=self.plan.task)


def peak_memory_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _free_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, .. that is not there."""
    number, folder = 1, wanted
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _sizes(settings: Settings) -> dict[str, Any]:
    """The settings that say how large the network and its batches are."""
    asked = ("size", "dim", "num_layers", "horizon", "tokens_per_batch", "order")
    return {name: value for name, value in flatten(settings).items() if name.endswith(asked)}


def _check_text(folder: Path, corpus: Corpus) -> None:
    """Refuses to resume on a text that has changed, as far as its vocabulary shows it."""
    path = folder / "tokenizer.json"
    if path.exists() and path.read_text(encoding="utf-8") != corpus.tokenizer.to_json():
        raise RequestError(
            "the text is no longer the one that the run was trained on", where=str(folder), hint="give another --out"
        )


def _check_folder(folder: Path, plan: Plan, resume: bool) -> None:
    """Refuses to write over a run, and to resume one with other settings than it has."""
    config = folder / "config.toml"
    if not config.exists():
        if resume and not folder.exists():
            return
        if folder.exists() and not folder.is_dir():
            raise RequestError("a file stands where the run's folder is wanted", where=str(folder))
        return
    if not resume:
        raise RequestError(
            "the folder holds a run already", where=str(folder), hint="go on with it by --resume, or give another --out"
        )
    before = Plan.from_toml(read_toml(config), config)
    if before == plan:
        return
    old, new = ({**p.to_toml(), "settings": flatten(p.settings)} for p in (before, plan))
    changed = [n for n in old["settings"] | new["settings"] if old["settings"].get(n) != new["settings"].get(n)]
    changed += [name for name in ("task", "model", "seed", "sources", "budget") if old[name] != new[name]]
    raise RequestError(
        "a run is resumed with the settings it has",
        where=str(folder),
        got=f"other values of {', '.join(changed)}",
        hint="leave them as they were, or give another --out",
    )
