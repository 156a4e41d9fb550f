"""Small texts with sets of labels, and texts with numbers, both of which their words tell."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.labelled import LABELS, WORDS


def write_label_sets(path: Path, examples: int = 150, seed: int = 5, mark: str = "|") -> str:
    """labels TAB words: one word of each label of the example, among some that tell nothing."""
    rng = random.Random(seed)
    rows = []
    for _ in range(examples):
        labels = [label for label in LABELS if rng.random() < 0.4]
        words = [rng.choice(WORDS[label].split()) for label in labels]
        words += [rng.choice(["the", "is", "it", "so", "a"]) for _ in range(rng.randint(1, 4))]
        rng.shuffle(words)
        rows.append(f"{mark.join(labels)}\t{' '.join(words)} {rng.randrange(1000)}\n")
    path.write_text("".join(rows))
    return str(path)


def write_numbers(path: Path, examples: int = 150, seed: int = 5) -> str:
    """number TAB words: ten and the number of words "more", less that of words "less"."""
    rng = random.Random(seed)
    rows = []
    for _ in range(examples):
        more, less = rng.randint(0, 4), rng.randint(0, 4)
        words = ["more"] * more + ["less"] * less + ["the"] * rng.randint(1, 4)
        rng.shuffle(words)
        rows.append(f"{10 + more - less + rng.gauss(0, 0.1):.3f}\t{' '.join(words)} {rng.randrange(1000)}\n")
    path.write_text("".join(rows))
    return str(path)
