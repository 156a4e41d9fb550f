"""A small text that stands for any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqloom.data.token_file import TokenFile

TEXT = [f"the cat {verb} the {noun} number {i}" for i, verb in enumerate(("saw", "ate", "met") * 40)
        for noun in ("dog", "rat")]  # fmt: skip


@pytest.fixture
def lines() -> list[str]:
    return list(TEXT)


@pytest.fixture
def text_file(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tokens_of() -> Callable[[list[int]], TokenFile]:
    """A token file in memory with lines of the given lengths (each `<eos>` included), its ids 4, 5, 6 and so on."""

    def make(lengths: list[int]) -> TokenFile:
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        ids = np.arange(4, 4 + int(offsets[-1]), dtype=np.uint32)
        ids[offsets[1:] - 1] = 3
        return TokenFile(ids, offsets, num_bytes=len(ids), num_unknown=0)

    return make
