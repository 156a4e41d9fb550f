"""Copying and look-up, as the paper of the Neural Turing Machine has them: learnt from few sequences, and for longer
ones too."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("algorithm", "sequences", "longer", "most_errors"),
    [("copy", 15_000, "copy:length=40", 5), ("associative-recall", 50_000, "associative-recall:items=12", 1)],
)
def test_an_algorithm_is_learnt_and_holds_for_longer_sequences(
    algorithm: str, sequences: int, longer: str, most_errors: int, tmp_path: Path
) -> None:
    """Copying takes a minute on one core, look-up two."""
    run = seqloom.train(
        "algorithm", algorithm, model="ntm", sequences=sequences, out=tmp_path / "run", threads=1, quiet=True,
        settings={"data.held_out": 100},
    )  # fmt: skip
    scores, beyond = run.evaluate(algorithm), run.evaluate(longer)
    print(scores, beyond)
    assert scores["bits_per_sequence"] < 0.5
    assert beyond["bit_errors_per_sequence"] < most_errors
