"""Trainings of comparisons in the process of the test, which has imported torch already."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.cli.main import app


def train_here(arguments: Sequence[str], title: str, quiet: bool = False) -> None:  # noqa: ARG001
    """Stands for `seqloom.comparison.training_process.run_training`."""
    app(["train", *arguments], standalone_mode=False)
