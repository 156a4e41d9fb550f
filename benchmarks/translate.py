"""Claim: 1.5 times the training target tokens per second of JoeyNMT with the same model, and 3 times the sentences per
second with a beam of 5.

A bidirectional LSTM of 256 with an attentional LSTM decoder of 256, and a Transformer of 4 + 4 layers of 128; tied
embeddings of a joint byte-pair vocabulary of 8,000, float32. In turns, each trains for the same minutes on the same
token ids, with as many target tokens per update on average, then translates the validation sentences.

A peer that has learnt little writes too little or never ends, which its BLEU and the length of its sentences show:
train it longer then (--peer-minutes; on two cores half an hour). So its decoding is timed twice: as it is, and held to
as many tokens per sentence as ours has on average. The latter flatters it: a beam continues until all its hypotheses
have ended, and a batch until all its sentences have. It runs by a Python of its own:

    python -m venv PEER
    PEER/bin/pip install -c constraints.txt joeynmt==2.3.0 importlib-metadata
    python benchmarks/translate.py --peer-python PEER/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seqloom
from peers.race import BENCHMARKS, Result, environment, machine, median, write_results
from seqloom.data.readers import readers
from seqloom.data.readers.pairs import Pair
from seqloom.metrics.transduction import bleu

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "translate"
TOKENS = {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 8_000}
MODELS: dict[str, dict[str, Any]] = {
    "lstm+attention": {
        "encoder.hidden_size": 256,
        "encoder.num_layers": 1,
        "decoder.hidden_size": 256,
        "decoder.num_layers": 1,
        "embedding.dim": 256,
        "data.tokens_per_batch": 2_000,
        "training.learning_rate": 2e-3,
    },
    "transformer": {
        "encoder.model_dim": 128,
        "encoder.num_layers": 4,
        "decoder.model_dim": 128,
        "decoder.num_layers": 4,
        "embedding.dim": 128,
        "data.tokens_per_batch": 3_000,
    },
}
BEAM_SIZE = 5


@dataclass(frozen=True)
class Race:
    train: Path
    valid: Path
    peer_python: str
    minutes: float
    peer_minutes: float
    threads: int
    folder: Path

    def valid_pairs(self) -> list[Pair]:
        return list(readers["pairs"](str(self.valid)))

    def ours(self, model: str, seed: int) -> tuple[Result, seqloom.Run]:
        run = seqloom.train(
            "translate",
            str(self.train),
            model=model,
            valid=str(self.valid),
            minutes=self.minutes,
            out=self.folder / f"{model}-{seed}",
            seed=seed,
            threads=self.threads,
            quiet=True,
            settings={**TOKENS, **MODELS[model]},
        )
        pairs = self.valid_pairs()
        sources = [pair.source for pair in pairs]
        run.predict(sources[:64], beam_size=BEAM_SIZE)  # the first call compiles and reserves
        started = time.monotonic()
        found = run.predict(sources, beam_size=BEAM_SIZE)
        seconds = time.monotonic() - started
        last = json.loads((run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        return {
            "targets_per_second": run.summary["targets_per_second"],
            "targets_per_update": last["targets"] / last["updates"],
            "updates": run.summary["updates"],
            "sentences_per_second": len(found) / seconds,
            "tokens_per_sentence": statistics.fmean(map(len, run.codec.target.encode(found))),
            "bleu": bleu(found, [pair.target for pair in pairs]),
            "parameters": run.num_parameters(),
            "load": os.getloadavg()[0],
        }, run

    def peer(self, model: str, seed: int, run: seqloom.Run, ours: Result) -> Result:
        """The peer on the ids of `run`, whose tokenizer reads its translations as well. Batches have as many targets as
        ours, and the translations it is timed with as many tokens as ours on average."""
        corpus = self.folder / f"peer-{model}-{seed}"
        write_corpus(run, {"train": self.train, "valid": self.valid}, corpus)
        options = {
            "--corpus": corpus,
            "--model": model,
            "--minutes": self.peer_minutes,
            "--targets-per-update": ours["targets_per_update"],
            "--tokens-per-sentence": max(1, round(ours["tokens_per_sentence"])),
            "--seed": seed,
            "--threads": self.threads,
        }
        command = [self.peer_python, str(BENCHMARKS / "peers" / "joeynmt_translation.py")]
        command += [str(part) for option in options.items() for part in option]
        done = subprocess.run(command, env=environment(self.threads), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the peer failed:\n{done.stderr[-2000:]}")
        result: Result = json.loads(done.stdout.strip().splitlines()[-1])
        lines = (corpus / "hypotheses.txt").read_text(encoding="utf-8").splitlines()
        ids = [[int(word) for word in line.split() if word.isdigit()] for line in lines]
        found = [run.codec.target.decode(row) for row in ids]
        return {
            **result,
            "tokens_per_sentence": statistics.fmean(map(len, ids)),
            "bleu": bleu(found, [pair.target for pair in self.valid_pairs()]),
        }


def write_corpus(run: seqloom.Run, splits: dict[str, Path], folder: Path) -> None:
    """Both sides of the pairs as token ids, and the vocabulary, ids being the peer's words."""
    folder.mkdir()
    for split, path in splits.items():
        pairs = list(readers["pairs"](str(path)))
        sides = {
            "source": run.codec.source.encode([pair.source for pair in pairs]),
            "target": run.codec.target.encode([pair.target for pair in pairs]),
        }
        for side, rows in sides.items():
            text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
    words = "".join(f"{word}\n" for word in range(4, run.codec.target.vocab_size))
    (folder / "vocabulary.txt").write_text(words, encoding="utf-8")


def missing(options: argparse.Namespace) -> str | None:
    """Why there is nothing to run, if so."""
    absent = [str(path) for path in (options.train, options.valid) if not path.exists()]
    if absent:
        return f"skipped: {' and '.join(absent)} not there; give --train and --valid, files of source TAB target"
    if options.peer_python is None:
        return "skipped: give --peer-python, a Python that has JoeyNMT; --help says how to install it"
    return None


def run_model(race: Race, model: str, rounds: int) -> Result:
    peer: list[Result] = []
    ours: list[Result] = []
    for seed in range(1, rounds + 1):
        result, run = race.ours(model, seed)
        ours.append(result)
        peer.append(race.peer(model, seed, run, result))
        for name, one in (("JoeyNMT", peer[-1]), ("Seqloom", ours[-1])):
            print(
                f"{model}  round {seed}  {name}  {one['targets_per_second']:7,.0f} target tokens/s  "
                f"{one['sentences_per_second']:6.1f} sentences/s  BLEU {one['bleu']:5.2f} "
                f"({one['tokens_per_sentence']:.1f} tokens per sentence)  {one['parameters']:,} parameters  "
                f"load {one['load']:.1f}",
                flush=True,
            )
    ratios = {
        "targets_per_second": median(ours, "targets_per_second") / median(peer, "targets_per_second"),
        "sentences_per_second": median(ours, "sentences_per_second") / median(peer, "sentences_per_second"),
        "sentences_per_second_equal_lengths": median(ours, "sentences_per_second")
        / median(peer, "sentences_per_second_equal_lengths"),
    }
    print(
        f"{model}: {ratios['targets_per_second']:.2f} times the training target tokens per second; "
        f"{ratios['sentences_per_second']:.2f} times the sentences per second with a beam of {BEAM_SIZE}, "
        f"{ratios['sentences_per_second_equal_lengths']:.2f} times where the peer's have the length of ours",
        flush=True,
    )
    return {"ratios": ratios, "settings": MODELS[model], "peer": peer, "ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=DATA / "multi30k.en-de.train.tsv", help="source TAB target")
    parser.add_argument("--valid", type=Path, default=DATA / "multi30k.en-de.valid.tsv")
    parser.add_argument("--peer-python", help="a Python that has JoeyNMT")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, each time")
    parser.add_argument("--peer-minutes", type=float, help="of the peer's, where it needs more to write sentences")
    parser.add_argument("--rounds", type=int, default=1, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if (reason := missing(options)) is not None:
        print(reason)
        return
    with tempfile.TemporaryDirectory() as folder:
        race = Race(
            options.train,
            options.valid,
            options.peer_python,
            options.minutes,
            options.peer_minutes or options.minutes,
            options.threads,
            Path(folder),
        )
        found = {model: run_model(race, model, options.rounds) for model in options.models}
    write_results(
        "translate",
        {
            "data": options.train.name,
            "peer": "JoeyNMT 2.3.0",
            "minutes": options.minutes,
            "peer_minutes": options.peer_minutes or options.minutes,
            "beam_size": BEAM_SIZE,
            "machine": machine(options.threads),
            "models": found,
        },
    )


if __name__ == "__main__":
    main()
