"""Two processes under `torchrun` do what one does on the same global batch: same losses, same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import seqloom
from seqloom.data.batches import Batch
from seqloom.runtime import Runtime
from seqloom.tasks.network_task import Loss
from seqloom.training.checkpoint import load_checkpoint
from seqloom.training.gradients import Objective
from tests.support.texts import with_small, write_text

PLAIN_STEPS: dict[str, Any] = {
    # What one step of plain SGD adds is the gradient times the rate, so equal weights are equal gradients.
    "training.precision": "float32",
    "training.optimizer": "sgd",
    "training.beta1": 0.0,
    "training.learning_rate": 0.5,
    "training.clip_norm": 0,
    "training.schedule": "constant",
    "training.warmup": 0,
    "training.evaluations": 6,
    "model.hidden_size": 16,
    "embedding.dropout": 0,
    "output.dropout": 0,
}
KINDS: dict[str, dict[str, Any]] = {
    # 60 tokens a batch: rows do not divide by two, and the longest lines stand alone in a batch, one rank idle.
    "ragged lines, accumulated": {"data.mode": "lines", "data.tokens_per_batch": 12, "training.accumulate": 3},
    "streams": {"data.batch_size": 5},
}


class Watched:
    """A task, as far as `Objective` asks it, that keeps what it is given."""

    def loss(self, model: nn.Module, batch: Batch, state: Any) -> tuple[Loss, Any]:
        self.product, self.batch, self.state = model(batch.inputs), batch, state
        return Loss(self.product.float().sum(), torch.tensor(1)), state


def test_half_precision_is_for_products_not_for_what_is_carried() -> None:
    task, net = Watched(), nn.Linear(3, 3)
    objective = Objective(task, net, Runtime(bfloat16=True))  # type: ignore[arg-type]
    inputs, state = torch.rand(2, 5, 3) + 2**-12, (torch.rand(2, 3) + 2**-12,)
    objective(Batch(inputs, inputs), state)
    assert task.product.dtype == torch.bfloat16
    assert torch.equal(task.batch.inputs, inputs)
    assert torch.equal(task.state[0], state[0])


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
TORCHRUN += ["--rdzv-endpoint", "localhost:0", "-m", "seqloom", "train", "language-model"]


def test_standard_input_is_read_by_one_process(tmp_path: Path) -> None:
    text = Path(write_text(tmp_path / "text.txt")).read_text()
    command = [*TORCHRUN, "-", "--model", "rnn", "--updates", "3", "--threads", "1", "--set", "hidden_size=8"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["language-model-rnn"]
    for noise in ("Mixed Precision", "distributed_backend", "GLOBAL_RANK", "find_unused_parameters", "Warning"):
        assert noise not in done.stderr


def test_a_refusal_is_said_once(tmp_path: Path) -> None:
    command = [*TORCHRUN, str(tmp_path / "missing.txt"), "--model", "rnn", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode != 0
    assert done.stderr.count("seqloom: the file does not exist") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one(kind: str, tmp_path: Path) -> None:
    text, valid = write_text(tmp_path / "text.txt"), write_text(tmp_path / "valid.txt", lines=5)
    settings = with_small({**PLAIN_STEPS, **KINDS[kind]})
    one, two = tmp_path / "one", tmp_path / "two"
    options: dict[str, Any] = {"valid": valid, "updates": 6, "threads": 1, "quiet": True, "out": one}
    seqloom.train("language-model", text, model="lstm", settings=settings, **options)

    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "seqloom", "train", "language-model"]
    command += [text, "--valid", valid, "--model", "lstm", "--updates", "6", "--threads", "1", "--out", str(two)]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]

    for name in ("train_loss", "valid_perplexity"):
        alone, shared = ([row[name] for row in rows(folder)] for folder in (one, two))
        assert len(alone) == 6
        assert shared == pytest.approx(alone, rel=2e-6)
    a, b = load_checkpoint(one / "training"), load_checkpoint(two / "training")
    assert a is not None
    assert b is not None
    assert len(b.ranks) == 2
    for name, weight in a.model.items():
        torch.testing.assert_close(b.model[name], weight, rtol=1e-5, atol=1e-6)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
