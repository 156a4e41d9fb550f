"""Claim: 3 times the training words per second of Flair with the same tagger.

Word vectors of 100 that are learned, a bidirectional LSTM of 25 and 25 along the characters, one of 200 and 200 along
the words, a CRF; dropout 0.5, AdamW, float32. In turns, each trains for the same minutes on the same sentences, with as
many words per update on average. Rates are of updates, validation left out; the F1 of both shows that both learn. The
peer runs by a Python of its own:

    python -m venv PEER
    PEER/bin/pip install torch==2.13.0 flair==0.15.1
    python benchmarks/tagging.py --peer-python PEER/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import seqloom
from columns import write_columns
from peers.race import BENCHMARKS, Result, environment, machine, median, write_results
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged import tagged

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "tag" / "conll2000.train.txt.gz"
SIZES = {"words.dim": 100, "characters.dim": 25, "characters.hidden_size": 25, "model.hidden_size": 200}
SETTINGS = {
    **SIZES,
    "model.num_layers": 1,
    "output": "crf",
    "language_model_weight": 0.0,
    "input_dropout": 0.5,
    "output_dropout": 0.5,
    "training.precision": "float32",
}
HELD_OUT = 10
"""Every so many sentences, one is kept for validation."""


@dataclass(frozen=True)
class Race:
    folder: Path
    peer_python: str
    minutes: float
    threads: int

    def ours(self, seed: int) -> Result:
        run = self._train(self.folder / f"ours-{seed}", seed, minutes=self.minutes)
        last = json.loads((run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        return {
            "targets_per_second": run.summary["targets_per_second"],
            "targets_per_update": last["targets"] / last["updates"],
            "updates": run.summary["updates"],
            "span_f1": run.summary["valid"]["span_f1"],
            "parameters": run.num_parameters(),
            "load": os.getloadavg()[0],
        }

    def compile(self) -> None:
        """The first training on a machine compiles what is kept from then on."""
        self._train(self.folder / "compiled", 1, updates=3)

    def _train(self, out: Path, seed: int, **budget: float) -> seqloom.Run:
        return seqloom.train(
            "tag",
            str(self.folder / "train.conll"),
            model="bilstm",
            valid=str(self.folder / "valid.conll"),
            out=out,
            seed=seed,
            threads=self.threads,
            quiet=True,
            settings=SETTINGS,
            **budget,  # type: ignore[arg-type]
        )

    def peer(self, seed: int, targets_per_update: float) -> Result:
        options = {
            "--corpus": self.folder,
            "--minutes": self.minutes,
            "--targets-per-update": targets_per_update,
            "--word-dim": SIZES["words.dim"],
            "--character-dim": SIZES["characters.dim"],
            "--character-hidden-size": SIZES["characters.hidden_size"],
            "--hidden-size": SIZES["model.hidden_size"],
            "--seed": seed,
            "--threads": self.threads,
        }
        command = [self.peer_python, str(BENCHMARKS / "peers" / "flair_tagging.py")]
        command += [str(part) for option in options.items() for part in option]
        done = subprocess.run(command, env=environment(self.threads), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the peer failed:\n{done.stderr[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def write_parts(data: Path, folder: Path) -> None:
    """The sentences as words and tags, for both programs alike."""
    parts: dict[str, list[Sentence]] = {"train": [], "valid": []}
    for number, sentence in enumerate(tagged(str(data))):
        parts["train" if number % HELD_OUT else "valid"].append(sentence)
    for name, sentences in parts.items():
        write_columns(folder / f"{name}.conll", sentences)


def missing(options: argparse.Namespace) -> str | None:
    """Why there is nothing to run, if so."""
    if not options.data.exists():
        return f"skipped: {options.data} is not there; give --data, a file of CoNLL columns"
    if options.peer_python is None:
        return "skipped: give --peer-python, a Python that has Flair; --help says how to install it"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="CoNLL columns or CoNLL-U, tags that mark spans")
    parser.add_argument("--peer-python", help="a Python that has Flair")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, each time")
    parser.add_argument("--rounds", type=int, default=3, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if (reason := missing(options)) is not None:
        print(reason)
        return
    ours: list[Result] = []
    peer: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        race = Race(Path(folder), options.peer_python, options.minutes, options.threads)
        write_parts(options.data, race.folder)
        race.compile()
        for seed in range(1, options.rounds + 1):
            ours.append(race.ours(seed))
            peer.append(race.peer(seed, ours[-1]["targets_per_update"]))
            for name, one in (("Seqloom", ours[-1]), ("Flair", peer[-1])):
                print(
                    f"round {seed}  {name:<7}  {one['targets_per_second']:7,.0f} words/s  {one['updates']} updates of "
                    f"{one['targets_per_update']:.0f} words  F1 {one['span_f1']:.3f}  {one['parameters']:,} "
                    f"parameters  load {one['load']:.1f}",
                    flush=True,
                )
    ratio = median(ours, "targets_per_second") / median(peer, "targets_per_second")
    print(f"{ratio:.2f} times the training words per second")
    write_results(
        "tagging",
        {
            "data": options.data.name,
            "peer": "Flair 0.15.1",
            "minutes": options.minutes,
            "machine": machine(options.threads),
            "settings": SETTINGS,
            "ratio": ratio,
            "ours": ours,
            "peer_results": peer,
        },
    )


if __name__ == "__main__":
    main()
