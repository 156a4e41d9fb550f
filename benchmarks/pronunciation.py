"""Question: how many English words does a joint n-gram model pronounce wrongly, beside an LSTM with attention that
trains for many minutes, both together, and Phonetisaurus (Novak et al. 2016), the same kind of model as transducers?

CMUdict without stress, one line for each pronunciation. Every second word of the validation file chooses the weights of
the LSTM; the scores are those of the others: the share of words whose answer is none of their pronunciations.
Phonetisaurus, which has one thread, is skipped where its package is not installed.

    python benchmarks/pronunciation.py --minutes 20

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers.race import BENCHMARKS, Result, machine, write_results
from resumable import train
from seqloom.data.readers import readers

SETTINGS = {"encoder.num_layers": 3, "encoder.dropout": 0.25}
"""Of the LSTM; 20 minutes are enough for one more layer than the preset has."""
DATA = BENCHMARKS.parent.parent / "shared" / "data" / "g2p"
Dictionary = dict[str, list[str]]
"""The pronunciations of each word, letters and sounds with blanks between them."""


def read(path: Path) -> Dictionary:
    words: Dictionary = {}
    for pair in readers["pairs"](str(path)):
        words.setdefault(pair.source, []).append(pair.target)
    return words


def write(path: Path, words: Dictionary) -> str:
    path.write_text("".join(f"{word}\t{sounds}\n" for word, all_sounds in words.items() for sounds in all_sounds))
    return str(path)


def word_error_rate(words: Dictionary, answers: Sequence[str]) -> float:
    """In percent."""
    wrong = sum(answer not in sounds for answer, sounds in zip(answers, words.values(), strict=True))
    return 100 * wrong / len(words)


def timed(answer: Callable[[], Sequence[str]], words: Dictionary) -> Result:
    answer()  # the first call compiles
    start = time.monotonic()
    answers = answer()
    return {
        "word_error_rate": word_error_rate(words, answers),
        "words_per_second": len(words) / (time.monotonic() - start),
    }


def phonetisaurus(work: Path, train_words: Dictionary, test: Dictionary) -> Result | None:
    if shutil.which("phonetisaurus") is None:
        print("skipped: the package phonetisaurus is not installed")
        return None
    lexicon, model, start = work / "lexicon.txt", work / "model.fst", time.monotonic()
    if not model.exists():
        rows = (
            f"{word.replace(' ', '')} {sounds}\n" for word, all_sounds in train_words.items() for sounds in all_sounds
        )
        lexicon.write_text("".join(rows))
        subprocess.run(["phonetisaurus", "train", "--model", str(model), str(lexicon)], check=True, capture_output=True)
        (work / "phonetisaurus.seconds").write_text(str(time.monotonic() - start))
    names = [word.replace(" ", "") for word in test]
    command = ["phonetisaurus", "predict", "--model", str(model), *names]

    def answer() -> list[str]:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        sounds_of = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
        return [sounds_of.get(name, "") for name in names]

    return {**timed(answer, test), "train_seconds": float((work / "phonetisaurus.seconds").read_text())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/pronunciation"), help="the folder of the runs")
    parser.add_argument("--seeds", type=int, default=1, help="of the LSTM")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the LSTM")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of cmudict.train.tsv and cmudict.valid.tsv")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    if not (options.data / "cmudict.train.tsv").exists():
        print(f"skipped: {options.data} has no cmudict.train.tsv")
        return
    held_out = list(read(options.data / "cmudict.valid.tsv").items())
    valid, test = dict(held_out[::2]), dict(held_out[1::2])
    data = {"valid": write(work / "valid.tsv", valid), "test": write(work / "test.tsv", test)}
    training: Path = options.data / "cmudict.train.tsv"
    common: dict[str, Any] = {"threads": options.threads, **data}
    joint = train(work / "joint", "translate", training, model="joint-ngram", **common)
    scores: dict[str, Any] = {
        "joint-ngram": {**timed(lambda: joint.predict(test), test), "train_seconds": joint.summary["seconds"]}
    }
    print("joint-ngram", scores["joint-ngram"], flush=True)
    for seed in range(1, options.seeds + 1):
        name = f"lstm+attention, {options.minutes:g} minutes, seed {seed}"
        budget = {"minutes": options.minutes, "seed": seed}
        network = train(
            work / name, "translate", training, model="lstm+attention", settings=SETTINGS, **budget, **common
        )
        seconds = network.summary["seconds"]
        scores[name] = {**timed(lambda: network.predict(test), test), "train_seconds": seconds}  # noqa: B023
        print(name, scores[name], flush=True)
        scores[f"both, seed {seed}"] = timed(lambda: joint.ensemble([network]).predict(test), test)  # noqa: B023
        print("both", scores[f"both, seed {seed}"], flush=True)
    peer = phonetisaurus(work, read(training), test)
    if peer is not None:
        scores["Phonetisaurus"] = peer
        ratio = peer["train_seconds"] / scores["joint-ngram"]["train_seconds"]
        print(f"Phonetisaurus {peer}; joint-ngram trains {ratio:.0f} times as fast")
    result = {
        "data": "CMUdict",
        "words": len(test),
        "minutes": options.minutes,
        "settings": SETTINGS,
        "machine": machine(options.threads),
        "scores": scores,
    }
    write_results("pronunciation", result)


if __name__ == "__main__":
    main()
