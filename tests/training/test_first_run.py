"""Equal commands give equal weights, also the first one after an installation, which compiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sentences import write_sentences
from tests.support.texts import write_text

SETTINGS = {
    "algorithm": ["copy:bits=3,length=1-5", "--model", "ntm", "--updates", "6", "--set", "hidden_size=32"],
    "tag": ["SENTENCES", "--model", "bilstm", "--updates", "4", "--set", "model.hidden_size=9"],
    "vectors": ["TEXT", "--model", "skipgram", "--epochs", "2", "--set", "min_count=1", "--set", "model.dim=20"],
}


@pytest.mark.slow
@pytest.mark.parametrize("task", SETTINGS)
def test_the_run_that_compiles_equals_those_that_do_not(task: str, tmp_path: Path) -> None:
    places = {
        "TEXT": write_text(tmp_path / "text.txt"),
        "SENTENCES": write_sentences(tmp_path / "sentences.conll"),
    }
    arguments = [places.get(word, word) for word in SETTINGS[task]]
    weights = []
    for number in range(2):
        command = [sys.executable, "-m", "seqloom", "train", task, *arguments, "--threads", "1"]
        command += ["--out", str(tmp_path / f"run-{number}")]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr
        weights.append((tmp_path / f"run-{number}" / "model.safetensors").read_bytes())
    assert list((tmp_path / "compiled").rglob("*.nbc")), "the first run has compiled"
    assert weights[0] == weights[1]
