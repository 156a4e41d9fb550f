"""How many files a reader meets on the way of a training: the counts of `benchmarks/trace_files.py` have limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMITS = {"train language-model to backward()": 41, "fused update": 21}
"""These limits may fall, not rise. One file of each is the optimizers, whose work torch did before, in files not
counted here."""


@pytest.fixture(scope="module")
def counts() -> dict[str, list[str]]:
    """The files that are entered, by the name of the trace. Another process, since a profile hook slows all calls."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / "trace_files.py"), "--json"]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True, timeout=300).stdout
    traces: dict[str, list[str]] = json.loads(output.splitlines()[-1])
    return traces


@pytest.mark.parametrize("trace", LIMITS)
def test_few_files_are_entered(trace: str, counts: dict[str, list[str]]) -> None:
    files = counts[trace]
    assert {"seqloom/training/loop.py", "seqloom/training/gradients.py"} <= {*files}
    assert len(files) <= LIMITS[trace], files
