"""Copying, as the paper of the Neural Turing Machine has it: learnt from few sequences, and for longer ones too."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom


@pytest.mark.slow
def test_copy_is_learnt_and_holds_for_twice_the_length(tmp_path: Path) -> None:
    """A minute on one core."""
    run = seqloom.train(
        "algorithm", "copy", model="ntm", sequences=15_000, out=tmp_path / "run", threads=1, quiet=True,
        settings={"data.held_out": 100},
    )  # fmt: skip
    scores = run.evaluate("copy")
    print(scores)
    assert scores["bits_per_sequence"] < 0.5
    longer = run.evaluate("copy:length=40")
    print(longer)
    assert longer["bit_errors_per_sequence"] < 5
