"""Strings of digits written in reverse: attention finds each digit, whatever the length."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from tests.support.pairs import write_pairs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("model", ["lstm+attention"])
def test_every_digit_string_is_reversed(model: str, tmp_path: Path) -> None:
    digits = "0123456789"
    train = write_pairs(tmp_path / "train.tsv", 20_000, longest=20, symbols=digits, seed=1)
    valid = write_pairs(tmp_path / "valid.tsv", 500, longest=20, symbols=digits, seed=2)
    run = seqloom.train(
        "translate",
        train,
        valid=valid,
        model=model,
        epochs=10,
        out=tmp_path / "run",
        quiet=True,
        settings={"encoder.hidden_size": 64, "decoder.hidden_size": 128, "embedding.dim": 64, "evaluations": 4},
    )
    assert run.summary["valid"]["exact_match"] == 1.0
