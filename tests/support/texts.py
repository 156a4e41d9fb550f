"""Small texts to train on, and settings that make small models."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {
    "tokenizer.min_count": 1,
    "embedding.dim": 12,
    "data.batch_size": 4,
    "data.horizon": 7,
    "data.tokens_per_batch": 60,
    "training.checkpoint_seconds": 0,
    "training.evaluations": 5,
}


def write_text(path: Path, lines: int = 300) -> str:
    """Lines of 1 to 12 made-up words, the next depending on the last, so that there is something to learn."""
    chance = random.Random(5)
    rows = []
    for _ in range(lines):
        word, words = chance.randrange(30), []
        for _ in range(chance.randint(1, 12)):
            words.append(f"w{word}")
            word = (3 * word + chance.randrange(3)) % 30
        rows.append(" ".join(words))
    path.write_text("\n".join(rows) + "\n")
    return str(path)
