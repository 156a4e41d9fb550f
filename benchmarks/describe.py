"""Vectors into text: names of handwritten digits, two digits side by side, captions of generated scenes.

    python benchmarks/describe.py [PART ...]    parts: random file pairs scenes

Digits are those of ../shared/data/image (8 x 8 pixels). A fifth is tested on: drawn at random, or the last of the file,
which other people wrote; of two digits, 20 pairs that are not in training. One thread; seconds are those of
the processor. Results are kept in benchmarks/results/describe.json, part by part.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import seqloom

DIGITS = Path(__file__).parent.parent.parent / "shared" / "data" / "image" / "digits.csv.gz"
RESULTS = Path(__file__).parent / "results" / "describe.json"
FOLDER = Path(tempfile.gettempdir()) / "seqloom-benchmark-describe"
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
UPDATES = 1_000

Images = tuple[NDArray[np.float32], NDArray[np.str_]]


def digits() -> Images:
    with gzip.open(DIGITS, "rt") as stream:
        rows = [line.split(",") for line in stream.read().splitlines()]
    rows = [row for row in rows if row[0].replace(".", "").isdigit()]
    return np.array([row[:64] for row in rows], np.float32), np.array([NAMES[int(float(row[64]))] for row in rows])


def trained(name: str, train: Images, test: Images, model: str, settings: dict[str, Any]) -> dict[str, Any]:
    FOLDER.mkdir(exist_ok=True)
    for part, (vectors, texts) in (("train", train), ("test", test)):
        np.savez(FOLDER / f"{name}-{part}.npz", vectors=vectors, texts=texts)
    out = FOLDER / "runs" / name
    shutil.rmtree(out, ignore_errors=True)
    run = seqloom.train(
        "describe", str(FOLDER / f"{name}-train.npz"), test=str(FOLDER / f"{name}-test.npz"), model=model,
        updates=UPDATES, out=out, threads=1, quiet=True, settings=settings,
    )  # fmt: skip
    summary = run.summary
    return {
        "exact_match": round(summary["test"]["exact_match"], 4),
        "valid_exact_match": round(summary["valid"]["exact_match"], 4),
        "examples": [len(train[1]), len(test[1])],
        "model": model,
        "settings": settings,
        "processor_seconds": summary["processor_seconds"],
    }


def of_digits(name: str, order: NDArray[np.int64]) -> dict[str, Any]:
    vectors, texts = digits()
    cut = len(order) * 4 // 5
    train, test = order[:cut], order[cut:]
    parts = (vectors[train], texts[train]), (vectors[test], texts[test])
    return trained(name, *parts, "bigru+attention", {"data.parts": 8})


def random() -> dict[str, Any]:
    return of_digits("random", np.random.default_rng(0).permutation(len(digits()[0])))


def file() -> dict[str, Any]:
    return of_digits("file", np.arange(len(digits()[0])))


def pairs() -> dict[str, Any]:
    """Two digits, 8 x 16 pixels column by column; images of the test are not in training either."""
    vectors, texts = digits()
    rng, cut = np.random.default_rng(0), len(vectors) * 4 // 5
    order = rng.permutation(len(vectors))
    every = [(a, b) for a in NAMES for b in NAMES]
    unseen = {every[i] for i in rng.permutation(100)[:20]}

    def drawn(places: NDArray[np.int64], wanted: int, is_test: bool) -> Images:
        images: list[NDArray[np.float32]] = []
        names: list[str] = []
        while len(images) < wanted:
            first, second = rng.choice(places, 2)
            if ((texts[first], texts[second]) in unseen) == is_test:
                both = np.concatenate([vectors[first].reshape(8, 8), vectors[second].reshape(8, 8)], axis=1)
                images.append(both.T.ravel())
                names.append(f"{texts[first]} {texts[second]}")
        return np.stack(images), np.array(names)

    parts = drawn(order[:cut], 6_000, False), drawn(order[cut:], 400, True)
    return trained("pairs", *parts, "bigru+attention", {"data.parts": 16})


SHAPES, COLOURS, PLACES = (
    ("circle", "square", "star", "cross"),
    ("red", "green", "blue", "white"),
    ("left", "right", "top"),
)


def scenes() -> dict[str, Any]:
    """One or two shapes in colours at places, each by a noisy vector of 8 numbers in a fixed random mixture."""
    rng = np.random.default_rng(0)
    codes = {word: rng.normal(size=8) for word in (*SHAPES, *COLOURS, *PLACES)}
    slots = [rng.normal(size=(8, 24)) / 3 for _ in range(6)]

    def drawn(wanted: int) -> Images:
        vectors, captions = [], []
        for _ in range(wanted):
            vector, parts = rng.normal(size=24) * 0.05, []
            for number in range(int(rng.integers(1, 3))):
                words = [str(rng.choice(kind)) for kind in (COLOURS, SHAPES, PLACES)]
                for place, word in enumerate(words):
                    vector = vector + codes[word] @ slots[3 * number + place]
                parts.append(f"a {words[0]} {words[1]} at the {words[2]}")
            vectors.append(vector)
            captions.append(" and ".join(parts))
        return np.array(vectors, np.float32), np.array(captions)

    return trained("scenes", drawn(8_000), drawn(400), "gru", {})


PARTS = {"random": random, "file": file, "pairs": pairs, "scenes": scenes}


def main(parts: Sequence[str]) -> None:
    for part in parts or PARTS:
        row = PARTS[part]()
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(results | {part: {"updates": UPDATES, **row}}, indent=1) + "\n")
        print(part, row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
