"""The recipes in `examples/`: a script of a few lines for each job, whose figures are as expected."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(ROOT.glob("examples/*/train.py"))
JOBS = "captions forecasting pronunciation sentiment spoken_commands tagging translation word_vectors"


def expected(recipe: Path) -> dict[str, list[float]]:
    return tomllib.loads((recipe.parent / "expected.toml").read_text(encoding="utf-8"))


def test_every_job_has_a_short_script_and_a_place_in_the_guide() -> None:
    guide = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [recipe.parent.name for recipe in RECIPES] == JOBS.split()
    for recipe in RECIPES:
        lines = [line for line in recipe.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert len(lines) <= 18, recipe
        assert f"examples/{recipe.parent.name}/train.py" in guide
        assert expected(recipe)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=JOBS.split())
def test_the_figures_are_as_expected(recipe: Path, tmp_path: Path) -> None:
    if recipe.parent.name == "spoken_commands":
        pytest.importorskip("soundfile")
        pytest.importorskip("sklearn")
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, str(recipe)]
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert process.returncode == 0, process.stderr
    for name, (low, high) in expected(recipe).items():
        (number,) = re.findall(rf"^{re.escape(name)} (\S+)$", process.stdout, flags=re.MULTILINE)
        assert low <= float(number) <= high, process.stdout
