"""There is one training loop: no other place writes metrics or checkpoints, or tells the kinds of training apart."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "seqloom"


@functools.cache
def parsed() -> Mapping[str, tuple[ast.AST, ...]]:
    """The nodes of each file of the package."""
    return {
        str(path.relative_to(SOURCE)): tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for path in SOURCE.rglob("*.py")
    }


def files_that_call(name: str) -> set[str]:
    """The files of the package in which a function or class of this name is called."""
    return {
        file
        for file, nodes in parsed().items()
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name
    }


def files_that_write(name: str) -> set[str]:
    """The files of the package in which a string literal is the name of this file of a run."""
    return {
        file
        for file, nodes in parsed().items()
        for node in nodes
        if isinstance(node, ast.Constant) and node.value == name
    }


@pytest.mark.parametrize("name", ["write_checkpoint", "read_progress", "metrics_row", "keep_until"])
def test_only_the_loop_calls(name: str) -> None:
    assert files_that_call(name) - {"training/checkpoint.py"} == {"training/loop.py"}


def test_only_the_checkpoint_folder_names_the_current_checkpoint() -> None:
    assert files_that_write("current") - {"memory.py"} == {"training/checkpoint_folder.py"}
    assert files_that_write("progress.json") == {"training/checkpoint_folder.py"}


def test_reports_only_read_metrics() -> None:
    assert files_that_write("metrics.jsonl") == {"training/reports.py"}
    readers = files_that_call("MetricsFile") - {"training/loop.py"}
    for path in readers:
        assert not re.search(r"\.(add|keep_until|remove)\(", (SOURCE / path).read_text()), path


def test_one_place_chooses_the_trainer() -> None:
    assert files_that_call("trainer_for") == {"run/start.py", "run/run.py"}
    for trainer in ("GradientTrainer", "PassTrainer", "OnePassTrainer"):
        assert files_that_call(trainer) == {"run/plan.py"}
