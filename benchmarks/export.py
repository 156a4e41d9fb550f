"""Claims: an exported model takes at most half of Seqloom's own time for a step; an int8 LSTM has at most 0.3 of the
size, at most 0.5 % more perplexity and at least 3 times the speed; CTranslate2 translates with a beam of 5 at least 1.5
times as fast (float32) and 2 times (int8), with the same text.

Language models are trained on Moby Dick, the translator is a run that was trained before (for 20 minutes):

    seqloom train translate TRAIN --valid VALID --model transformer --minutes 20 --set output.kind=full --out RUN
    python benchmarks/export.py --translator RUN --sources VALID

Times are of the processor, with one thread, in turns; of each the median of all turns. For the steps each engine has a
process of its own, as its users have it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sacrebleu.metrics.bleu import BLEU

import seqloom
import seqloom_portable
from peers.race import BENCHMARKS, environment, machine
from peers.step_timer import STEPS
from seqloom.data.readers import readers
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run, load
from seqloom_portable.language_model import NetworkLanguageModel

TEXT = BENCHMARKS.parent / "examples" / "moby_dick.txt"
MODELS = ("lstm", "gru", "transformer")
TURNS = 7

Numbers = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.5, help="of training for each language model")
    parser.add_argument("--models", default="", help="a folder with trained runs named lm-MODEL, instead of training")
    parser.add_argument("--translator", default="", help="a run of translate, transformer, with output.kind=full")
    parser.add_argument("--sources", default="", help="pairs to translate, a tab between")
    parser.add_argument("--out", default=str(BENCHMARKS / "results" / "export.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: Numbers = {"machine": machine(threads=1)}
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            found[model] = language_model(model, Path(folder), options)
            print(model, json.dumps(found[model]), flush=True)
        if options.translator:
            found["translator"] = translator(load(options.translator, device="cpu", threads=1), Path(folder), options)
            print("translator", json.dumps(found["translator"]), flush=True)
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def language_model(model: str, folder: Path, options: argparse.Namespace) -> Numbers:
    """Milliseconds of a step, and of the int8 LSTM its size and perplexity."""
    if options.models:
        run = load(Path(options.models) / f"lm-{model}", device="cpu", threads=1)
    else:
        out = folder / f"lm-{model}"
        run = seqloom.train(
            "language-model", str(TEXT), model=model, minutes=options.minutes, out=out, threads=1, quiet=True
        )
    started = time.process_time()
    exporters["onnx"](run, folder / model, ExportOptions())
    seconds = time.process_time() - started
    exporters["onnx"](run, folder / f"{model}-int8", ExportOptions(int8=True, max_loss=0.5))
    engines = {
        "seqloom": ("seqloom", run.folder),
        "onnx": ("portable", folder / model),
        "onnx int8": ("portable", folder / f"{model}-int8"),
        "onnx, graph of sequences": ("sequences", folder / model),
        "weights times a vector": ("weights", folder / model),
    }
    with ExitStack() as timers:
        times = in_turns({name: timers.enter_context(step_timer(*engine)) for name, engine in engines.items()})
    exported = {
        "onnx": seqloom_portable.load(folder / model),
        "onnx int8": seqloom_portable.load(folder / f"{model}-int8"),
    }
    ids = sequence(run)
    rates = in_turns({"seqloom": timed(seqloom_sequence(run, ids))} | {
        name: timed(portable_sequence(portable, ids)) for name, portable in exported.items()
    })  # fmt: skip
    loss = json.loads((folder / f"{model}-int8" / "parity.json").read_text(encoding="utf-8"))["int8"]
    parity = json.loads((folder / model / "parity.json").read_text(encoding="utf-8"))
    size, small = (weights(folder / name) for name in (model, f"{model}-int8"))
    return {
        "export_seconds": seconds,
        "largest_difference": parity["largest_difference"],
        "step_milliseconds": {name: 1e3 * value / STEPS for name, value in times.items()},
        "step_ratio": {name: value / times["seqloom"] for name, value in times.items()},
        "tokens_per_second": {name: ids.size / value for name, value in rates.items()},
        "int8_size_ratio": small / size,
        "int8_perplexity": [loss["float32"], loss["int8"]],
        "int8_perplexity_change": loss["share_lost"],
        "int8_speed_against_seqloom": times["seqloom"] / times["onnx int8"],
        "int8_speed_against_onnx": times["onnx"] / times["onnx int8"],
    }


def weights(folder: Path) -> int:
    """Bytes of the model's graph and weights."""
    return sum((folder / name).stat().st_size for name in ("model.onnx", "weights.bin"))


def in_turns(engines: Mapping[str, Callable[[], float]], turns: int = TURNS) -> dict[str, float]:
    """Of the seconds that each gives, the median of some turns; a first turn is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for turn, (name, engine) in itertools.product(range(turns + 1), engines.items()):
        value = engine()
        if turn:
            seconds[name].append(value)
    return {name: statistics.median(values) for name, values in seconds.items()}


def timed(work: Callable[[], None]) -> Callable[[], float]:
    """The processor seconds of a call."""

    def seconds() -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    return seconds


@contextmanager
def step_timer(engine: str, folder: Path) -> Iterator[Callable[[], float]]:
    """The processor seconds of some steps, in another process."""
    command = [sys.executable, str(BENCHMARKS / "peers" / "step_timer.py"), engine, str(folder)]
    with subprocess.Popen(
        command, env=environment(threads=1), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def seconds() -> float:
            print(file=requests, flush=True)
            return float(answers.readline())

        yield seconds


def sequence(run: Run) -> np.ndarray[Any, Any]:
    """(rows, time): ids of 16 rows of 64 tokens."""
    return np.random.default_rng(2).integers(4, run.codec.tokenizer.vocab_size, (16, 64))


def seqloom_sequence(run: Run, ids: np.ndarray[Any, Any]) -> Callable[[], None]:
    @torch.inference_mode()
    def work() -> None:
        hidden, _ = run.model(torch.from_numpy(ids), run.model.initial_state(len(ids)))
        run.model.output.softmax.log_probs(hidden.flatten(0, 1))

    return work


def portable_sequence(portable: NetworkLanguageModel, ids: np.ndarray[Any, Any]) -> Callable[[], None]:
    lengths = np.full(len(ids), ids.shape[1])

    def work() -> None:
        portable.engine(token_ids=ids, lengths=lengths, **portable.first_state(len(ids)))

    return work


def translator(run: Run, folder: Path, options: argparse.Namespace) -> Numbers:
    """Beams of 5 by each engine: processor time, share of the same text, BLEU."""
    pairs = list(readers["pairs"](options.sources))
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    exporters["onnx"](run, folder / "translator-onnx", ExportOptions(data=options.sources))
    exporters["ctranslate2"](run, folder / "translator", ExportOptions(data=options.sources))
    exporters["ctranslate2"](run, folder / "translator-int8", ExportOptions(int8=True, data=options.sources))
    exported = {
        "onnx": seqloom_portable.load(folder / "translator-onnx"),
        "ctranslate2": seqloom_portable.load(folder / "translator"),
        "ctranslate2 int8": seqloom_portable.load(folder / "translator-int8"),
    }
    texts: dict[str, Sequence[str]] = {}

    def translating(name: str, predict: Callable[..., list[str]]) -> Callable[[], float]:
        def work() -> None:
            texts[name] = predict(sources, beam_size=5)

        return timed(work)

    engines = {"seqloom": translating("seqloom", run.predict)}
    engines |= {name: translating(name, portable.predict) for name, portable in exported.items()}
    times = in_turns(engines, turns=3)
    bleu = {name: BLEU().corpus_score(found, [references]).score for name, found in texts.items()}
    same = {
        name: sum(one == other for one, other in zip(found, texts["seqloom"], strict=True)) / len(sources)
        for name, found in texts.items()
    }
    assert all(math.isfinite(value) for value in bleu.values())
    return {
        "lines": len(sources),
        "seconds": times,
        "speed": {name: times["seqloom"] / value for name, value in times.items()},
        "same_text": same,
        "bleu": bleu,
    }


if __name__ == "__main__":
    main()
