"""Claim: `explain` takes no longer than an epoch of the training, or than 15 seconds where an epoch takes less, and at
most 2 GB of memory more than the training; integrated gradients sum to the difference of the scores within 2 %.

Each run is trained for a part of its first epoch, from whose targets per second the time of an epoch follows; then a
process of its own explains it on the validation data. Seconds are those of one processor, so that other work on the
machine hardly counts; where it takes more than half of the processor, epochs look longer than they are. The data that
no package holds are named by --data. Rows that were measured with other code are dropped, so that all rows of the
results are of one state of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from peers.race import BENCHMARKS, environment, machine, write_results

SHARED = BENCHMARKS.parent.parent / "shared" / "data"
SECONDS = 15.0
"""Of training, of a model that takes steps."""
EXAMPLES = 10
"""Whose inputs are weighed, to see how far the weights are from complete."""


class Kind(NamedTuple):
    task: str
    model: str
    data: str
    valid: str = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    @property
    def name(self) -> str:
        return f"{self.task} {self.model}"


WORDS = {"tokenizer.punctuation": True}
PROSE = "lm/moby_dick.txt"
PAIRS = "translate/multi30k.en-de.train.tsv", "translate/multi30k.en-de.valid.tsv"
REVIEWS = "classify/imdb.train.tsv.gz", "classify/imdb.valid.tsv.gz"
SENTENCES = "tag/ud_ewt.train.conllu.gz", "tag/ud_ewt.valid.conllu.gz"
SERIES, SPOKEN, DIGITS = "series/m3_monthly.csv.gz", "speech/spoken_digits.train.zip", "image/digits.csv.gz"
KINDS = (
    *(Kind("language-model", m, PROSE, "", WORDS) for m in ("ngram", "ffnn", "rnn", "lstm", "ntm", "transformer")),
    *(Kind("translate", m, *PAIRS) for m in ("lstm", "lstm+attention", "transformer")),
    *(Kind("classify", m, *REVIEWS) for m in ("bow", "cnn", "bilstm+attention", "transformer")),
    *(Kind("tag", m, *SENTENCES) for m in ("bilstm", "bitransformer")),
    *(Kind("forecast", m, SERIES, "", {"data.horizon": 18}) for m in ("ar", "gru", "tcn", "transformer")),
    *(Kind("algorithm", m, "copy") for m in ("lstm", "ntm")),
    Kind("vectors", "skipgram", PROSE),
    *(Kind("transcribe", m, SPOKEN) for m in ("svm", "bilstm", "bigru+attention")),
    Kind("describe", "bigru+attention", DIGITS, "", {"data.parts": 8}),
)
FITTED = "ngram", "ar", "svm"
"""Models that are fitted once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED, help="the folder of the data")
    parser.add_argument("--kinds", help="the task and model of each, separated by commas; all by default")
    parser.add_argument("--step", choices=("train", "explain"), help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.kinds or kind.name in options.kinds.split(",")]
    if options.step:
        work = train_part if options.step == "train" else explain_run
        print(json.dumps(work(kinds[0], options.data, options.run)))
        return
    if not options.data.exists():
        print(f"skipped: {options.data} is not there; give --data")
        return
    code = digest_of_code()
    rows = earlier_rows(code)
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds):
            row: dict[str, Any] = {}
            for step in ("train", "explain"):
                row |= in_process(kind, step, options.data, Path(folder) / str(number))
            rows[kind.name] = row
            print(kind.name, json.dumps(row), flush=True)
            in_order = {kind.name: rows[kind.name] for kind in KINDS if kind.name in rows}
            write_results("explain", {"machine": machine(1), "code": code, "rows": in_order})


def digest_of_code() -> str:
    """Of all of Seqloom's Python files."""
    source = BENCHMARKS.parent / "src"
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def earlier_rows(code: str) -> dict[str, Any]:
    path = BENCHMARKS / "results" / "explain.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return results["rows"] if results.get("code") == code else {}


def parts(kind: Kind, data: Path, folder: Path) -> tuple[str, str | None]:
    """The files that are trained on and validated on; of a text, the last tenth of its lines is the latter."""
    if kind.task == "algorithm":
        return kind.data, None
    if kind.data == DIGITS:
        return digits(data / DIGITS, folder), None
    if kind.data != PROSE:
        return str(data / kind.data), str(data / kind.valid) if kind.valid else None
    lines = (data / PROSE).read_text(encoding="utf-8").splitlines(keepends=True)
    cut = len(lines) * 9 // 10
    paths = folder / "read.txt", folder / "held_out.txt"
    for path, part in zip(paths, (lines[:cut], lines[cut:]), strict=True):
        path.write_text("".join(part), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def digits(path: Path, folder: Path) -> str:
    """Pixels of handwritten digits and their names, as vectors and texts."""
    import numpy as np

    table = np.loadtxt(path, delimiter=",")
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    np.savez(folder / "digits.npz", vectors=table[:, :64].astype(np.float32), texts=names[table[:, 64].astype(int)])
    return str(folder / "digits.npz")


def in_process(kind: Kind, step: str, data: Path, run: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--kinds", kind.name, "--data", str(data), "--run", str(run)]
    done = subprocess.run(command, env=environment(1), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{kind.name}: {step} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def train_part(kind: Kind, data: Path, out: Path) -> dict[str, Any]:
    """The processor's seconds of an epoch, and the peak memory of the training in bytes."""
    import seqloom

    path, valid = parts(kind, data, out.parent)
    budget = {} if kind.model in FITTED else {"minutes": SECONDS / 60}
    budget = {"epochs": 1} if kind.task == "vectors" else budget
    began, began_processor = time.perf_counter(), time.process_time()
    run = seqloom.train(
        kind.task, path, valid=valid, model=kind.model, out=out, seed=1, threads=1, quiet=True, settings=kind.settings,
        **budget,  # type: ignore[arg-type]
    )  # fmt: skip
    used = (time.process_time() - began_processor) / (time.perf_counter() - began)
    metrics = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(metrics[-1]) if metrics else {}
    seconds = run.summary["seconds"]
    if last.get("epoch") and run.summary.get("targets_per_second"):
        seconds = last["targets"] / last["epoch"] / run.summary["targets_per_second"]
    return {"epoch_seconds": seconds * min(used, 1.0), "training_bytes": run.summary["peak_memory_bytes"]}


def explain_run(kind: Kind, data: Path, folder: Path) -> dict[str, Any]:
    """The processor's seconds of `explain` with its page, its peak memory in bytes, and the largest and median error of
    integrated gradients, as shares of the differences of the scores."""
    import seqloom
    from seqloom.explain.measures.attribution import integrated_gradients
    from seqloom.explain.probes.make import make_probe
    from seqloom.explain.probes.probe import NetworkProbe, whole_sequences
    from seqloom.memory import peak_memory_bytes

    read, valid = parts(kind, data, folder.parent)
    path = valid or read
    run = seqloom.load(folder)
    encoded = run.read(path)  # in the cache from here on, as the training had it
    began = time.process_time()
    run.explain(path).write(folder / "explained")
    measured: dict[str, Any] = {"seconds": time.process_time() - began, "bytes": peak_memory_bytes()}
    probe = make_probe(run, encoded)
    if not isinstance(probe, NetworkProbe):
        return measured
    errors = []
    with whole_sequences(probe.network):
        for number in range(1, EXAMPLES + 1):
            try:
                example = probe.example(number, None)
            except seqloom.RequestError:  # a line of one token
                continue
            errors += [integrated_gradients(example).error] if example is not None else []
    return {**measured, "attribution_error": max(errors), "median_attribution_error": statistics.median(errors)}


if __name__ == "__main__":
    main()
