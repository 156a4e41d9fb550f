"""On a GPU: every layer says what it says on the processor, in half precision nearly so, and every task trains there,
is stopped, resumed, and used on either. Skipped where there is no GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import seqloom
from seqloom.nn.layer import state_tensors
from tests.contract.test_layers import INPUT, build, cases
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import write_pairs
from tests.support.sentences import write_sentences
from tests.support.small_runs import signal_after
from tests.support.texts import write_text

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)


@pytest.fixture(autouse=True)
def _whole_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def both(case: Any, lengths: Tensor | None) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Outputs and state, and gradients, of the same layer on either device."""
    torch.manual_seed(3)
    inputs, found = torch.randn(3, 7, INPUT), []
    for device in ("cpu", "cuda"):
        layer, here = build(case, torch.float32).to(device), inputs.clone().to(device).requires_grad_()
        outputs, state = layer(here, None, None if lengths is None else lengths.to(device))
        if lengths is not None:
            outputs = outputs * (torch.arange(7, device=device) < lengths.to(device)[:, None])[:, :, None]
        (outputs.square().sum() + sum(part.float().square().sum() for part in state_tensors(state))).backward()
        own = [p.grad for p in layer.parameters() if p.grad is not None]
        found.append(([outputs, *state_tensors(state)], [here.grad, *own]))
    return found


@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 0, 4])], ids=["dense", "ragged"])
@pytest.mark.parametrize("case", cases())
def test_layers_say_the_same_on_a_gpu(case: Any, lengths: Tensor | None) -> None:
    on_cpu, on_gpu = both(case, lengths)
    for wanted, found in zip(on_cpu, on_gpu, strict=True):
        for one, other in zip(wanted, found, strict=True):
            torch.testing.assert_close(other.cpu(), one, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 0, 3])], ids=["dense", "ragged"])
@pytest.mark.parametrize("case", cases(causal_only=True))
def test_half_precision_is_carried_from_chunk_to_chunk(case: Any, lengths: Tensor | None) -> None:
    layer = build(case, torch.float32).cuda()
    inputs = torch.randn(3, 10, INPUT, device="cuda")
    given = None if lengths is None else lengths.cuda()
    wanted, outputs, kinds, state, plain = [], [], [], None, None
    for chunk in inputs.split(5, dim=1):
        with torch.no_grad():
            whole, plain = layer(chunk, plain, given)
            with torch.autocast("cuda", dtype=torch.bfloat16):
                half, state = layer(chunk, state, given)
        real = torch.ones(3, 5, 1) if lengths is None else (torch.arange(5) < lengths[:, None])[:, :, None]
        wanted.append(whole.cpu() * real)
        outputs.append(half.float().cpu() * real)
        kinds.append([part.dtype for part in state_tensors(state)])
    assert kinds[0] == kinds[1]
    assert torch.float16 not in kinds[0]
    scale = float(torch.cat(wanted).abs().max())
    torch.testing.assert_close(torch.cat(outputs), torch.cat(wanted), rtol=0.1, atol=0.05 * scale)


WRITERS = {"translate": write_pairs, "classify": write_labelled, "tag": write_sentences, "language-model": write_text}
RUNS = [
    ("language-model", "lstm", {"data.mode": "stream"}),
    ("language-model", "gru", {"data.mode": "stream", "training.average": 0.9}),
    ("language-model", "rnn", {"data.mode": "lines"}),
    ("language-model", "mingru", {"data.mode": "stream"}),
    ("language-model", "ntm", {"data.mode": "stream"}),
    ("language-model", "ffnn", {"data.mode": "stream", "output.kind": "adaptive"}),
    ("language-model", "transformer", {"data.mode": "stream"}),
    ("translate", "lstm+attention", {}),
    ("translate", "bigru", {}),
    ("translate", "transformer", {}),
    ("classify", "bigru+attention", {}),
    ("classify", "bow", {}),
    ("classify", "cnn", {"series": True}),
    ("tag", "bilstm", {}),
    ("tag", "lstm", {"output": "softmax"}),
    ("algorithm", "ntm", {"held_out": 4}),
]


@pytest.mark.parametrize(("task", "model", "own"), RUNS, ids=[f"{task} {model}" for task, model, _ in RUNS])
def test_tasks_train_and_go_on_there(
    task: str, model: str, own: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(own)
    if settings.pop("series", False):
        data = write_series(tmp_path / "series.ts")
    else:
        data = "copy" if task == "algorithm" else WRITERS[task](tmp_path / "data.txt")  # type: ignore[operator]
    with monkeypatch.context() as patch:
        signal_after(patch, 4)
        run = train(task, data, model, tmp_path / "run", settings)
    assert run.runtime.device.startswith("cuda")
    assert not run.summary["finished"]
    run = train(task, data, model, tmp_path / "run", settings, resume=True)
    assert run.summary["updates"] == 8
    used = [seqloom.load(tmp_path / "run", device=device) for device in ("cuda", "cpu")]
    scores = [one.evaluate("copy" if task == "algorithm" else data) for one in used]
    name = run.summary["score"]
    assert scores[0][name] == pytest.approx(scores[1][name], rel=0.02, abs=0.02)
    if task == "language-model":
        assert used[0].score(["w1 w2 w3"])[0].log_prob == pytest.approx(used[1].score(["w1 w2 w3"])[0].log_prob, 0.01)
        assert isinstance("".join(used[0].generate("w1", max_tokens=5)), str)
    elif task != "algorithm":
        inputs = list(used[0].inputs(data))[:5] if "series" in data else ["a b c", "the cat", ""]
        assert len(used[0].predict(inputs)) == len(inputs)


def train(task: str, data: str, model: str, out: Path, settings: dict[str, Any], resume: bool = False) -> seqloom.Run:
    asked = {"training.checkpoint_seconds": 0, "training.evaluations": 2, **settings}
    return seqloom.train(
        task, data, model=model, updates=8, out=out, device="cuda", quiet=True, resume=resume, settings=asked
    )
