"""Runs two programs in turns, each in a process of its own with the same threads, and reports. Knows neither."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqloom.data.corpus import Corpus, Sources, prepare
from seqloom.data.readers import readers
from seqloom.data.text_codec import text_recipe
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.runtime import cache_folder

TextCorpus = Corpus[str, TokenFile]

BENCHMARKS = Path(__file__).resolve().parent.parent
MOBY_DICK = BENCHMARKS.parent / "examples" / "moby_dick.txt"

Result = dict[str, Any]


def environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def call(command: Sequence[str], threads: int) -> Result:
    """Runs a Python program and gives the JSON object that its last line of output holds."""
    done = subprocess.run(
        [sys.executable, *command], env=environment(threads), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_peer(script: str, corpus_folder: Path, minutes: float, seed: int, threads: int) -> Result:
    """A plain PyTorch script of `peers/`, on the token ids that `write_ids` left in `corpus_folder`."""
    options = {"--corpus": corpus_folder, "--minutes": minutes, "--seed": seed, "--threads": threads}
    arguments = [str(part) for option in options.items() for part in option]
    return call([str(BENCHMARKS / "peers" / script), *arguments], threads)


def run_ours(
    sources: Sources, settings: Sequence[str], out: Path, minutes: float, seed: int, threads: int, model: str = "lstm"
) -> Result:
    """The command that a user gives, and the summary it leaves. Its rate leaves validation out, as the peers' do."""
    command = ["-m", "seqloom", "train", "language-model", sources.data, "--model", model, "--minutes", str(minutes)]
    command += ["--out", str(out), "--seed", str(seed), "--threads", str(threads), "--json"]
    for name, path in (("--valid", sources.valid), ("--test", sources.test)):
        command += [name, path] if path is not None else []
    for setting in settings:
        command += ["--set", setting]
    call(command, threads)
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def read_corpus(sources: Sources, tokenizer: TokenizerSettings) -> TextCorpus:
    """The corpus as `seqloom train` makes it with these settings: the same split, the same ids."""
    return prepare(sources, text_recipe(readers["lines"], tokenizer), cache_folder())


def write_ids(corpus: TextCorpus, folder: Path) -> None:
    """The ids of the training and validation texts, for a script that knows nothing of Seqloom."""
    np.save(folder / "train.npy", np.asarray(corpus.train.ids).astype(np.int64))
    np.save(folder / "valid.npy", np.asarray(corpus.valid.ids).astype(np.int64))
    (folder / "facts.json").write_text(json.dumps(corpus.codec.facts()))


def median(results: Sequence[Result], name: str) -> float:
    return statistics.median(float(result[name]) for result in results)


def machine(threads: int) -> Result:
    return {
        "processor": platform.machine(),
        "threads": threads,
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def write_results(name: str, results: Result) -> None:
    folder = BENCHMARKS / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
