"""The task `algorithm`: every model learns from the same examples, what is scored is what is asked for, and a run that
was stopped resumes as if it had not been."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.config import flatten
from seqloom.data.batches import Batch
from seqloom.errors import RequestError
from seqloom.explain.heads import Trace, heads_page, trace_figure, watch
from seqloom.nn.layer import layers
from seqloom.run.plan import make_settings
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import Steps
from seqloom.tasks.network_task import total_loss
from tests.support.small_runs import assert_same_run, signal_after

SIZES = {"hidden_size": 8, "model_dim": 8, "num_heads": 2, "num_layers": 1, "output_size": 6, "order": 3}
SIZES |= {"memory_size": 8, "memory_width": 4}


def train(out: Path, model: str = "ntm", data: str = "copy:bits=3,length=1-3", **options: Any) -> seqloom.Run:
    own = layers[model].settings.model_fields
    sizes = {f"model.{name}": value for name, value in SIZES.items() if name in own}
    settings = {"data.held_out": 10, "data.batch_size": 3, "training.evaluations": 2, **sizes}
    settings |= options.pop("settings", {})
    asked = {"sequences": 30} | options
    return seqloom.train(
        "algorithm", data, model=model, out=out, threads=1, quiet=True, settings=settings, **asked
    )  # fmt: skip


@pytest.mark.parametrize("model", tasks["algorithm"].models())
def test_every_model_trains_and_is_opened_again(model: str, tmp_path: Path) -> None:
    run = train(tmp_path / "run", model)
    scores = run.evaluate("copy:length=5")
    assert scores["sequences"] == 10
    assert 0 <= scores["exact_match"] <= 1
    assert seqloom.load(tmp_path / "run").evaluate("copy:length=5") == scores
    assert run.summary["input_size"] == 4


def test_a_model_that_sees_the_future_is_no_model_of_it() -> None:
    with pytest.raises(RequestError, match="no model named 'bilstm'"):
        tasks["algorithm"].settings("bilstm")


@pytest.mark.parametrize(
    "data",
    ["repeat-copy:length=2,repeats=2", "associative-recall:items=2", "dynamic-n-grams:order=3,length=9",
     "priority-sort:inputs=3,outputs=2"],
)  # fmt: skip
def test_every_algorithm_is_trained_on(data: str, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "gru", data, sequences=9)
    assert run.summary["test"]["bits_per_sequence"] > 0
    assert ("optimal_bits_per_sequence" in run.summary["test"]) == data.startswith("dynamic")


def test_the_loss_is_of_what_is_asked_for_by_the_sequence(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    task, data = run.task, run.read("copy:length=2-3")
    batch = task.exact_loader(data, run.trained.settings).batch(0, 0)
    loss, _ = task.loss(run.model, batch, None)
    assert int(loss.count) == batch.num_rows == 10
    logits = run.model(batch.inputs, batch.lengths)
    sign = 2 * batch.targets - 1
    nats = -torch.nn.functional.logsigmoid(sign * logits)[batch.scored].sum()
    torch.testing.assert_close(loss.sum, nats)
    scores = run.evaluate(data)
    assert scores["bits_per_sequence"] == pytest.approx(float(nats.detach()) / math.log(2) / 10, rel=1e-5)
    wrong = ((logits > 0) != (batch.targets > 0.5))[batch.scored].sum()
    assert scores["bit_errors_per_sequence"] == pytest.approx(int(wrong) / 10)


def test_a_machine_with_a_memory_starts_from_what_suits_the_algorithm() -> None:
    def chosen(model: str, data: str, **asked: Any) -> dict[str, Any]:
        return flatten(make_settings("algorithm", model, asked, data))

    assert chosen("ntm", "copy")["model.controller"] == "lstm"
    assert chosen("ntm", "copy") == flatten(make_settings("algorithm", "ntm", {}))
    recall = chosen("ntm", "associative-recall:items=2-4")
    assert recall["model.read_heads"] == 2
    assert chosen("ntm", "associative-recall", read_heads=3)["model.read_heads"] == 3
    assert chosen("lstm", "associative-recall") == chosen("lstm", "copy")


def test_a_rank_without_rows_counts_nothing(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    batch: Batch = run.task.exact_loader(run.read("copy"), run.trained.settings).batch(0, 0).shard(11, 12)
    loss, _ = run.task.loss(run.model, batch, None)
    assert not loss.sum.detach().any()
    assert int(loss.count) == 0


def test_the_whole_is_the_sum_of_rows_alone(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    loader = run.task.exact_loader(run.read("copy"), run.trained.settings)
    whole = total_loss(run.task, run.model, loader, "cpu")
    batch = loader.batch(0, 0)
    alone = sum(
        float(run.task.loss(run.model, batch.select(torch.tensor([row])), None)[0].sum.detach())
        for row in range(batch.num_rows)
    )
    assert float(whole.sum) == pytest.approx(alone, rel=1e-5)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "whole", sequences=36)
    signal_after(monkeypatch, 5)
    stopped = train(tmp_path / "parts", sequences=36)
    assert not stopped.summary["finished"]
    train(tmp_path / "parts", sequences=36, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_other_exercises_are_refused(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    with pytest.raises(RequestError, match="do not fit"):
        run.evaluate("priority-sort")
    with pytest.raises(RequestError, match="no algorithm named"):
        train(tmp_path / "other", data="sort")


def test_the_page_shows_what_went_in_and_where_the_heads_looked(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    traces = watch(run.task, run.trained, run.read("copy:length=3"))
    assert traces[0].weights.shape == (7, 2, 8)
    assert [band.name for band in traces[0].steps.bands] == ["inputs", "targets", "outputs"]
    page = heads_page(traces, "A <title>").html()
    for text in ("A &lt;title&gt;", ">inputs<", ">outputs<", "read weights", "write weights", "step 0, location"):
        assert text in page
    assert "http:" not in page
    assert "https:" not in page


def test_a_page_begins_after_the_longest_stretch_that_nobody_looked_at() -> None:
    weights = np.zeros((3, 2, 50), np.float32)
    weights[0, 0, 48] = weights[1, 0, 49] = weights[2, 1, 1] = 1
    svg = trace_figure(Trace(Steps(["a", "b", "<c>"], []), weights, read_heads=1)).svg()
    assert "step 0, location 48: 1.00" in svg
    assert ">48</text>" in svg
    assert ">1</text>" in svg
    assert "&lt;c&gt;" in svg
    height = int(svg.split('height="')[1].split('"')[0])
    assert height < 300
    assert trace_figure(Trace(Steps([], []), np.zeros((2, 2, 4), np.float32), read_heads=1)).svg().startswith("<svg")


def test_a_model_without_a_memory_has_no_such_page(tmp_path: Path) -> None:
    run = train(tmp_path / "run", "gru")
    with pytest.raises(RequestError, match="no memory with heads"):
        watch(run.task, run.trained, run.read("copy"))
