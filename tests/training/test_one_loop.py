"""There is one training loop: no other place writes metrics or checkpoints, or tells the kinds of training apart."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "seqloom"


def files_that_call(name: str) -> set[str]:
    """The files of the package in which a function or class of this name is called."""
    files = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                files.add(str(path.relative_to(SOURCE)))
    return files


def files_that_write(name: str) -> set[str]:
    """The files of the package in which a string literal is the name of this file of a run."""
    files = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        if any(
            isinstance(node, ast.Constant) and node.value == name and node not in docstrings for node in ast.walk(tree)
        ):
            files.add(str(path.relative_to(SOURCE)))
    return files


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
