"""Makes the runs in `tests/run/old_runs`: one for each task and kind of model, as the code of a commit writes them.

    PYTHONPATH=CHECKOUT_OF_THE_COMMIT/src python tests/run/make_old_runs.py tests/run/old_runs

The runs that are there were written by commit e000dc5, before training had one loop. They stay as they are: newer code
must load them. `expected.json` holds what that commit's own `evaluate` said of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

SMALL = {"tokenizer.min_count": 1, "embedding.dim": 4, "model.hidden_size": 4, "training.evaluations": 2}
PAIRS = {"decoding.validation_examples": 3, "decoding.max_length": 8, "data.tokens_per_batch": 60}
LINES = {"tokenizer.min_count": 1, "data.mode": "lines"}
RUNS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "language-model-lstm": ("language-model", "text.txt", "lstm", SMALL),
    "language-model-gru-lines": ("language-model", "text.txt", "gru", {**SMALL, "data.mode": "lines"}),
    "language-model-transformer": (
        "language-model",
        "text.txt",
        "transformer",
        {**LINES, "embedding.dim": 4, "model.model_dim": 4, "model.num_heads": 2, "model.num_layers": 1},
    ),
    "language-model-ngram": ("language-model", "text.txt", "ngram", {**LINES, "model.order": 3}),
    "language-model-mix": ("language-model", "text.txt", "mix", {}),
    "translate-attention": (
        "translate",
        "pairs.tsv",
        "gru+attention",
        {
            **PAIRS,
            "tokenizer.min_count": 1,
            "embedding.dim": 4,
            "encoder.hidden_size": 4,
            "decoder.hidden_size": 4,
            "training.evaluations": 2,
        },
    ),
    "classify-gru": ("classify", "labelled.tsv", "gru", SMALL),
    "classify-bow": ("classify", "labelled.tsv", "bow", {"model.min_count": 1}),
    "classify-series": ("classify", "series.ts", "gru", {"model.hidden_size": 4, "embedding.dim": 3}),
    "tag-bilstm": (
        "tag",
        "sentences.conll",
        "bilstm",
        {"words.dim": 4, "characters.dim": 3, "characters.hidden_size": 2, "model.hidden_size": 4},
    ),
    "vectors-skipgram": ("vectors", "text.txt", "skipgram", {"tokenizer.min_count": 1, "model.dim": 4}),
    "vectors-cbow": ("vectors", "text.txt", "cbow", {"tokenizer.min_count": 1, "model.dim": 4}),
    "algorithm-ntm": (
        "algorithm",
        "copy:bits=3,length=1-3",
        "ntm",
        {"model.hidden_size": 4, "model.memory_size": 4, "model.memory_width": 3, "data.held_out": 10},
    ),
}
"""Task, data, model, settings."""
STOPPED = ("language-model-lstm", "vectors-skipgram")
"""These are stopped before their end, so that they can be resumed; of the others `training/` is left out."""


def write_data(folder: Path) -> None:
    random_numbers = random.Random(5)
    words = [f"w{number}" for number in range(12)]
    lines = [" ".join(random_numbers.choices(words, k=random_numbers.randint(2, 7))) for _ in range(120)]
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    pairs = [random_numbers.choices("abcd", k=random_numbers.randint(1, 5)) for _ in range(80)]
    (folder / "pairs.tsv").write_text("".join(f"{' '.join(x)}\t{' '.join(reversed(x))}\n" for x in pairs))
    sides = {"animal": "cat dog", "number": "one two"}
    labelled = [(label, random_numbers.choice(own.split())) for label, own in sides.items() for _ in range(40)]
    (folder / "labelled.tsv").write_text(
        "".join(f"{label}\tit is {word} {random_numbers.randrange(30)}\n" for label, word in labelled)
    )
    series = [(name, [slope * t + random_numbers.gauss(0, 0.1) for t in range(4)]) for name, slope in
              (("rise", 1.0), ("fall", -1.0)) for _ in range(30)]  # fmt: skip
    (folder / "series.ts").write_text(
        "@univariate true\n@classLabel true rise fall\n@data\n"
        + "".join(f"{','.join(f'{x:.3f}' for x in values)}:{name}\n" for name, values in series)
    )
    sentences = [(random_numbers.choice(("Ada", "Kurt")), random_numbers.choice(("Rome", "Oslo")), number)
                 for number in range(50)]  # fmt: skip
    (folder / "sentences.conll").write_text(
        "".join(f"{a} B-PER\nwent O\nto O\n{b} B-LOC\n{number} O\n\n" for a, b, number in sentences)
    )


def interrupt_once() -> Any:
    calls: list[object] = []

    def step(*_: object) -> None:
        calls.append(None)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)

    return step


def main(target: Path) -> None:
    import seqloom
    from seqloom.training.reports import Silent

    target.mkdir(parents=True, exist_ok=True)
    os.chdir(target)
    os.environ["SEQLOOM_CACHE"] = tempfile.mkdtemp()
    write_data(Path())
    expected = {}
    for name, (task, data, model, settings) in RUNS.items():
        shutil.rmtree(name, ignore_errors=True)
        own = {"model.parts": "language-model-ngram,language-model-gru-lines"} if model == "mix" else settings
        budget = {"epochs": 3} if task == "vectors" else {"updates": 6}
        step = Silent.step
        if name in STOPPED:
            Silent.step = interrupt_once()  # type: ignore[method-assign]
        run = seqloom.train(task, data, model=model, out=name, threads=1, quiet=True, settings=own, **budget)  # type: ignore[arg-type]
        Silent.step = step  # type: ignore[method-assign]
        if name not in STOPPED:
            shutil.rmtree(Path(name) / "training", ignore_errors=True)
        expected[name] = seqloom.load(name).evaluate("copy:bits=3,length=2" if task == "algorithm" else data)
        print(name, run.summary["finished"], expected[name])
    Path("expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
