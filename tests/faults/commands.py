"""What the campaign asks of every command that reads the folder of a run or of a comparison, or a model's file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seqloom.cli.main import main

COMMANDS = {
    "evaluate": [
        "evaluate RUN DATA",
        "evaluate RUN DATA --by-length",
        "evaluate RUN DATA --report PAGE",
        "evaluate RUN DATA --heads PAGE",
    ],
    "predict": [
        "predict RUN DATA",
        "predict RUN DATA --proba",
        "predict RUN DATA --beam-size 2 --n-best 2",
        "predict RUN DATA --online",
        "predict RUN DATA --horizon 3 --paths 2",
        "predict RUN DATA --anomalies",
    ],
    "score": ["score RUN DATA", "score RUN DATA --tokens"],
    "generate": ["generate RUN --prompt w1 --max-tokens 5"],
    "embed": ["embed RUN DATA --out MATRIX"],
    "explain": ["explain RUN DATA --out FOLDER/explained"],
    "vectors": [
        "vectors RUN similar w1",
        "vectors RUN similar the",
        "vectors RUN similar Ada",
        "vectors RUN similar w1 --documents",
        "vectors RUN report --out PAGE",
        "vectors RUN map --out PAGE",
    ],
    "export": [
        "export RUN FOLDER/arpa --to arpa",
        "export RUN FOLDER/vectors.bin --to word2vec",
        "export RUN FOLDER/fasttext.bin --to fasttext",
        "export RUN FOLDER/onnx --to onnx",
        "export RUN FOLDER/ctranslate2 --to ctranslate2",
        "export RUN FOLDER/page.html --to web",
    ],
    "train": ["train TASK DATA --model MODEL --resume --out RUN --threads 1 OPTIONS"],
}
"""Of runs: whatever a task's runs cannot do is left out by `answered`."""

OF_OTHER_FILES = {
    "compare": "tests/faults/test_comparisons.py",
    "import": "tests/faults/test_model_files.py",
    "list": "it reads no file",
    "look": "tests/faults/test_look.py",
    "serve": "tests/faults/test_requests.py",
    "watch": "tests/faults/test_watched_runs.py",
}
"""Commands that do not read a run, and where they are tried instead."""


def call(text: str, places: dict[str, object]) -> int:
    """Runs `seqloom` in this process: its exit status. What the command does not catch is raised. `places` are the
    words that stand for a file, for a file in a folder, or for a list of options."""
    sys.argv = ["seqloom"]
    for word in text.split():
        name, slash, file = word.partition("/")
        place = places.get(name, name)
        sys.argv += place if isinstance(place, list) else [f"{place}{slash}{file}"]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def silence(errors: Path) -> None:
    """Sends what this process prints from now on to nowhere, and its errors to a file."""
    nothing = Path(os.devnull)
    for number, name, path, mode in (
        (0, "stdin", nothing, "r"),
        (1, "stdout", nothing, "w"),
        (2, "stderr", errors, "w"),
    ):
        stream = path.open(mode)
        os.dup2(stream.fileno(), number)
        setattr(sys, name, stream)
