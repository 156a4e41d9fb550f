"""A text for word vectors: words of one kind stand together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

KINDS = {
    "royal": ("king", "queen", "prince", "princess", "throne", "crown"),
    "sea": ("whale", "ship", "sailor", "harpoon", "wave", "captain"),
    "food": ("bread", "butter", "cheese", "soup", "apple", "honey"),
}


def write_neighbours(path: Path, lines: int = 400) -> str:
    """Some lines of each kind, with words that stand in all of them, and a word a line that occurs once."""
    rng = np.random.default_rng(3)
    kinds = list(KINDS.values())
    with path.open("w", encoding="utf-8") as stream:
        for number in range(lines):
            words = [str(word) for word in rng.choice(kinds[number % len(kinds)], 6)]
            others = [str(word) for word in rng.choice(("the", "of", "and"), 3)]
            stream.write(" ".join([*rng.permutation([*words, *others]).tolist(), f"once{number}"]) + "\n")
    return str(path)
