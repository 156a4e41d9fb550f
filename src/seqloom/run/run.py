"""A trained model and its folder: evaluated, asked for scores, sampled from, copied."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from seqloom.config import read_toml
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK, Tokenizer
from seqloom.decoding.sampling import Sampling, generate
from seqloom.decoding.scoring import LineScore, score_lines
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder
from seqloom.run.plan import Plan, sizes
from seqloom.runtime import Runtime, cache_folder, within_memory
from seqloom.tasks import tasks
from seqloom.tasks.task import Task, total_loss
from seqloom.training.checkpoint import load_model_tensors, read_tensors


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
    with within_memory(sizes(plan.settings)):
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
        return self.scores(tokens)

    def scores(self, tokens: TokenFile) -> dict[str, float]:
        """The task's metrics on a text that is tokenized already."""
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

    def _first_input(self) -> int:
        return self.task.first_input(self.plan.settings)  # type: ignore[attr-defined]

    def _must_be_a_language_model(self, what: str) -> None:
        if not hasattr(self.model, "next_log_probs"):
            raise RequestError(f"{what} is for language models", where=str(self.folder), got=self.plan.task)
