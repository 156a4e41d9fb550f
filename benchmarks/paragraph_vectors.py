"""Claim: PV-DBOW and PV-DM train at 1.5 times the words per second of gensim, and a classifier of their vectors is at
most 2 points less accurate.

IMDB's training reviews without labels (lowercased; letters, digits and apostrophes) are the documents. Both programs
learn them with the same settings (dimension 100, window 5, 5 negative samples, sample 1e-3, min count 5) in turns, each
in a process of its own, and infer the vectors of 1,994 other reviews in the same number of passes. A logistic
regression learns the sentiment from the trained vectors and is tested on the inferred ones. Rates are of training
alone, and of inference alone. The peer runs by any Python that has gensim:

    pip install gensim==4.4.0 scikit-learn
    python benchmarks/paragraph_vectors.py

A quick look: --documents 4000 --epochs 5 --models pv-dbow
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import seqloom
from peers.race import BENCHMARKS, Result, environment, machine, median, write_results

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "classify"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "pv-dbow": ("pv-dbow", {}),
    "pv-dbow without words": ("pv-dbow", {"word_vectors": False}),
    "pv-dm": ("pv-dm", {}),
}
DIM = 100
_NOT_A_WORD = re.compile(r"[^a-z0-9']+")


class Documents:
    """The reviews to train on and those to infer, with their labels; written as lines of words."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.labels, self.new_labels = (self._write(part, name, most) for part, name in PARTS)
        self.words = sum(len(line.split()) for line in self.corpus.read_text(encoding="utf-8").splitlines())

    @property
    def corpus(self) -> Path:
        return self.folder / "documents.txt"

    @property
    def new(self) -> Path:
        return self.folder / "new.txt"

    def _write(self, part: str, name: str, most: int) -> list[str]:
        with gzip.open(DATA / f"imdb.{part}.tsv.gz", "rt", encoding="utf-8") as stream:
            rows = [line.rstrip("\n").split("\t", 1) for line in stream]
        rows = rows[:most] if most else rows
        lines = (" ".join(_NOT_A_WORD.sub(" ", text.lower()).split()) for _, text in rows)
        (self.folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return [label for label, _ in rows]


PARTS = (("train", "documents.txt"), ("valid", "new.txt"))


def accuracy(documents: Documents, vectors: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    """Of a logistic regression, on the documents whose vectors were inferred."""
    scaler = StandardScaler().fit(vectors)
    classifier = LogisticRegression(max_iter=2_000, C=0.01).fit(scaler.transform(vectors), documents.labels)
    return float(classifier.score(scaler.transform(new), documents.new_labels))


def ours(documents: Documents, name: str, seed: int, options: argparse.Namespace) -> Result:
    model, settings = MODELS[name]
    out = documents.folder / f"run-{name}-{seed}"
    run = seqloom.train(
        "vectors", str(documents.corpus), model=model, valid=str(documents.new), epochs=options.epochs, out=out,
        seed=seed, threads=options.threads, quiet=True,
        settings={"dim": DIM, "passes.patience": 0, "inference_passes": options.inference_passes, **settings},
    )  # fmt: skip
    last = json.loads((out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    lines = documents.new.read_text(encoding="utf-8").splitlines()
    started = time.monotonic()
    new = run.embed(lines)
    inference_seconds = time.monotonic() - started
    vectors = seqloom.Vectors.open(out, documents=True)
    names = [line[:80] for line in documents.corpus.read_text(encoding="utf-8").splitlines()]
    assert list(vectors.words) == names, "the documents are in the order of the file"
    return {
        "words_per_second": documents.words * options.epochs / (last["targets"] / last["targets_per_second"]),
        "inferred_per_second": len(lines) / inference_seconds,
        "accuracy": accuracy(documents, np.asarray(vectors.matrix), new),
    }


def peer(documents: Documents, name: str, seed: int, options: argparse.Namespace) -> Result:
    model, settings = MODELS[name]
    out = documents.folder / f"peer-{name}-{seed}"
    arguments = {
        "--corpus": documents.corpus, "--new": documents.new, "--out": out, "--model": model, "--dim": DIM,
        "--epochs": options.epochs, "--inference-passes": options.inference_passes, "--seed": seed,
        "--threads": options.threads,
    }  # fmt: skip
    command = [options.peer_python, str(BENCHMARKS / "peers" / "gensim_documents.py")]
    command += [str(part) for argument in arguments.items() for part in argument]
    command += [] if settings else ["--words"]
    done = subprocess.run(command, env=environment(options.threads), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the peer failed:\n{done.stderr[-2000:]}")
    measured = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "words_per_second": documents.words * options.epochs / measured["seconds"],
        "inferred_per_second": len(documents.new_labels) / measured["inference_seconds"],
        "accuracy": accuracy(documents, np.load(out / "documents.npy"), np.load(out / "new.npy")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has gensim")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--documents", type=int, default=0, help="of the file's beginning; 0: all")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--inference-passes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1, help="turns, each with a seed of its own")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if not (DATA / "imdb.train.tsv.gz").exists():
        print(f"skipped: {DATA} has no imdb.train.tsv.gz")
        return
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as folder:
        documents = Documents(Path(folder), options.documents)
        print(f"{len(documents.labels):,} documents, {documents.words:,} words, {options.epochs} epochs", flush=True)
        for name in options.models:
            sides: dict[str, list[Result]] = {"Seqloom": [], "gensim": []}
            for seed in range(1, options.rounds + 1):
                for side, train in (("Seqloom", ours), ("gensim", peer)):
                    result = train(documents, name, seed, options)
                    sides[side].append(result)
                    print(
                        f"{name}, seed {seed}  {side:<7}  {result['words_per_second']:10,.0f} words/s  "
                        f"{result['inferred_per_second']:7,.0f} inferred/s  accuracy {result['accuracy']:.1%}",
                        flush=True,
                    )
            ratios = {
                rate: median(sides["Seqloom"], rate) / median(sides["gensim"], rate)
                for rate in ("words_per_second", "inferred_per_second")
            }
            gain = 100 * (
                statistics.mean(result["accuracy"] for result in sides["Seqloom"])
                - statistics.mean(result["accuracy"] for result in sides["gensim"])
            )
            print(
                f"{name}: {ratios['words_per_second']:.2f} times the words per second, "
                f"{ratios['inferred_per_second']:.2f} times the inferred documents per second, "
                f"accuracy {gain:+.1f} points"
            )
            results[name] = {"ratios": ratios, "seqloom": sides["Seqloom"], "gensim": sides["gensim"]}
        words = documents.words
    if not options.documents and len(results) == len(MODELS):
        facts = {name: getattr(options, name) for name in ("epochs", "rounds", "inference_passes")}
        facts |= {"data": "IMDB", "words": words, "dim": DIM, "machine": machine(options.threads)}
        write_results("paragraph_vectors", {**facts, "models": results})


if __name__ == "__main__":
    main()
