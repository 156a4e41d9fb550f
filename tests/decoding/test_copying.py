"""Unknown words become the source words that were looked at."""

from __future__ import annotations

import numpy as np

from seqloom_portable.targets import copy_unknown


def test_the_most_attended_word_is_copied() -> None:
    # The last column is <eos>'s, and the last row.
    attention = np.array([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1], [0.0, 0.1, 0.9], [0, 0, 1]], np.float32)
    words = ["<unk>", "mag", "<unk>"]
    assert copy_unknown(words, attention, ["Ulla", "Bergen"]) == ["Bergen", "mag", "Bergen"]
    assert copy_unknown(words, attention[:3, :2], ["Ulla", "Bergen"]) == ["Bergen", "mag", "Bergen"]
    assert copy_unknown(["mag"], attention, ["Ulla"]) == ["mag"]


def test_a_source_without_words() -> None:
    assert copy_unknown(["<unk>"], np.ones((2, 1), np.float32), []) == ["<unk>"]
