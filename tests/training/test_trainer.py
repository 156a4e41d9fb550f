"""The training loop: stopping anywhere, accumulating, early stopping, clocks, losses that are not finite."""

from __future__ import annotations

import itertools
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.data.batches import Batch
from seqloom.errors import SeqloomWarning
from seqloom.nn.layer import State
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import TrainedModel
from seqloom.tasks.language_model import LanguageModelTask
from seqloom.tasks.network_task import Loss
from seqloom.training import gradients
from seqloom.training.budget import Progress
from seqloom.training.checkpoint import load_checkpoint
from seqloom.training.gradients import GradientTrainer
from seqloom.training.optimizers import scale_and_clip
from tests.support.small_runs import assert_same_run, rows, signal_after, train_small
from tests.support.texts import write_text

PLAIN = {
    "training__precision": "float32",  # sums in bfloat16 depend on what is summed together
    "training__optimizer": "sgd",
    "training__beta1": 0.0,
    "training__learning_rate": 0.5,
    "training__clip_norm": 0,
    "training__warmup": 0,
    "training__schedule": "constant",
    "embedding__dropout": 0,
    "output__dropout": 0,
}


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("lstm", {}),
        ("gru", {"data__mode": "lines", "output__dropout": 0.2}),
        ("ar", {"data__batch_size": 3}),
        ("transformer", {"model__window": 5, "model__num_layers": 1}),
    ],
)
def test_stopped_anywhere_and_resumed_is_unbroken(
    model: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_small(tmp_path / "unbroken", model=model, updates=24, **settings)
    epoch_ends = []
    for stop in (1, *range(11, 16)):
        folder = tmp_path / f"stopped-{stop}"
        with monkeypatch.context() as patch:
            signal_after(patch, stop)
            run = train_small(folder, model=model, updates=24, **settings)
        assert not run.summary["finished"]
        checkpoint = load_checkpoint(folder / "training")
        assert checkpoint is not None
        epoch_ends.append(checkpoint.progress.step == 0)
        assert checkpoint.progress.updates == stop
        assert train_small(folder, model=model, updates=24, resume=True, **settings).summary["finished"]
        assert_same_run(tmp_path / "unbroken", folder)
    if model == "lstm":
        assert any(epoch_ends), "one of the stops is meant to be at the end of an epoch"


def test_times_are_those_of_all_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        signal_after(patch, 40)
        first = train_small(tmp_path / "run", updates=41).summary
    second = train_small(tmp_path / "run", updates=41, resume=True).summary
    for name in ("seconds", "processor_seconds"):
        assert 0 < first[name] < second[name]


def test_a_stopped_run_is_usable_before_its_first_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        signal_after(patch, 1, signal.SIGTERM)
        train_small(tmp_path / "run", updates=40)
    assert rows(tmp_path / "run") == []
    assert seqloom.load(tmp_path / "run").evaluate(str(tmp_path / "text.txt"))["perplexity"] > 1


def test_a_second_interrupt_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # a job in the background is started with it ignored
    monkeypatch.setattr("seqloom.training.reports.Silent.step", twice)
    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_resuming_without_a_checkpoint_starts_anew(tmp_path: Path) -> None:
    train_small(tmp_path / "unbroken", updates=5)
    train_small(tmp_path / "never-begun", updates=5, resume=True)
    assert_same_run(tmp_path / "unbroken", tmp_path / "never-begun")


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=5)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")}
    train_small(tmp_path / "run", updates=5, resume=True)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")}


def test_resuming_on_another_text_is_refused(tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=5)
    text = tmp_path / "text.txt"
    text.write_text(text.read_text().replace("w", "v"))
    with pytest.raises(seqloom.RequestError, match="data is no longer"):
        train_small(tmp_path / "run", updates=5, resume=True)


@pytest.mark.parametrize("name", ["progress.json", "optimizer.safetensors", "ranks.safetensors"])
def test_a_damaged_checkpoint_is_named(name: str, tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=5)
    (damaged,) = (tmp_path / "run" / "training").glob(f"*/{name}")
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(seqloom.SeqloomError) as refused:
        train_small(tmp_path / "run", updates=5, resume=True)
    assert refused.value.where == str(damaged)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk with so much room: writing more to a file fails with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_small(tmp_path / "unbroken", updates=20)
    folder = tmp_path / "full"
    with monkeypatch.context() as patch:
        signal_after(patch, 8)
        train_small(folder, updates=20)
    with largest_file(3_000), pytest.raises(seqloom.SeqloomError, match="no space") as refused:
        train_small(folder, updates=20, resume=True)
    assert refused.value.exit_status == 1
    assert "--resume" in str(refused.value)
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert seqloom.load(folder).evaluate(str(tmp_path / "text.txt"))["perplexity"] > 1
    train_small(folder, updates=20, resume=True)
    assert_same_run(tmp_path / "unbroken", folder)


def test_accumulated_batches_are_one_batch(tmp_path: Path) -> None:
    """Two streams of five rows each at once are not ten rows; but ten lines in batches of any size are ten lines."""
    taken: dict[str, list[Batch]] = {}
    original = GradientTrainer._next_batch

    def folder(name: str, per_update: int) -> Path:
        taken[name] = []

        def record(self: GradientTrainer, progress: Progress) -> Batch:
            taken[name].append(batch := original(self, progress))
            return batch

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GradientTrainer, "_next_batch", record)
            options = {**PLAIN, "data__mode": "lines", "data__tokens_per_batch": 30}
            train_small(tmp_path / name, updates=1, training__accumulate=per_update, **options)
        return tmp_path / name

    accumulated = load_checkpoint(folder("accumulated", 7) / "training")
    assert accumulated is not None
    assert len({batch.inputs.shape for batch in taken["accumulated"]}) > 2, "ragged batches are meant"

    whole = joined(taken["accumulated"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GradientTrainer, "_next_batch", lambda *_: whole)
        train_small(tmp_path / "whole", updates=1, **PLAIN, data__mode="lines", data__tokens_per_batch=30)
    at_once = load_checkpoint(tmp_path / "whole" / "training")
    assert at_once is not None
    assert accumulated.progress.targets == at_once.progress.targets
    for name, weight in at_once.model.items():
        torch.testing.assert_close(accumulated.model[name], weight, rtol=1e-5, atol=1e-7)


def joined(batches: list[Batch]) -> Batch:
    """All rows of all batches as one, padded to the longest."""
    width = max(batch.inputs.shape[1] for batch in batches)

    def pad(part: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(part, (0, width - part.shape[1]))

    lengths = [torch.full((b.num_rows,), b.inputs.shape[1]) if b.lengths is None else b.lengths for b in batches]
    return Batch(
        torch.cat([pad(b.inputs) for b in batches]), torch.cat([pad(b.targets) for b in batches]), torch.cat(lengths)
    )


class Poisoned(LanguageModelTask):
    """A loss that is not a number for rows that hold the token 7."""

    name = "poisoned"

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        loss, state = super().loss(model, batch, state)
        return (
            loss._replace(sum=loss.sum * torch.nan) if model.training and (batch.inputs == 7).any() else loss
        ), state


def test_the_rows_of_a_loss_that_is_not_finite_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Batch] = []
    original = GradientTrainer._next_batch
    monkeypatch.setattr(
        GradientTrainer, "_next_batch", lambda self, at: (given.append(batch := original(self, at)), batch)[1]
    )
    monkeypatch.setitem(tasks._discover(), "language-model", Poisoned())
    with pytest.raises(seqloom.SeqloomError, match="no longer a finite number") as stopped:
        train_small(tmp_path / "run", updates=50, training__checkpoint_seconds=0)
    guilty = [i for i, row in enumerate(given[-1].inputs.tolist()) if 7 in row]
    assert f"rows of the batch: {guilty}" in str(stopped.value)
    assert f"update {len(given)}, epoch 1" in str(stopped.value)
    assert "learning rate" in str(stopped.value)
    saved = load_checkpoint(tmp_path / "run" / "training")
    assert (saved.progress.updates if saved else 0) == len(given) - 1
    assert ("previous checkpoint is complete" in str(stopped.value)) == (len(given) > 1)


def test_divergence_stops_the_training(tmp_path: Path) -> None:
    wild = {**PLAIN, "training__learning_rate": 1000.0, "training__checkpoint_seconds": 0}
    with pytest.raises(seqloom.SeqloomError, match="no longer a finite number") as stopped:
        train_small(tmp_path / "run", model="ar", updates=200, **wild)
    assert "learning rate 1e+03" in str(stopped.value)
    saved = load_checkpoint(tmp_path / "run" / "training")
    assert saved is not None
    assert f"update {saved.progress.updates + 1}," in str(stopped.value)


def test_patience_stops_early_with_the_best_weights(tmp_path: Path) -> None:
    worse = {**PLAIN, "training__learning_rate": 4.0}  # large steps that do not lead anywhere
    run = train_small(tmp_path / "run", updates=400, training__patience=3, training__evaluations=100, **worse)
    scores = [row["valid_perplexity"] for row in rows(run.folder)]
    assert run.summary["finished"]
    assert run.summary["updates"] < 400
    assert run.summary["out_of_patience"]
    assert len(scores) - 1 - scores.index(min(scores)) == 3
    assert run.summary["valid"]["perplexity"] == pytest.approx(min(scores), rel=1e-6)
    best = rows(run.folder)[scores.index(min(scores))]
    assert run.summary["best_updates"] == best["updates"]


@pytest.mark.parametrize("updates", [5, 6, 7, 10, 13, 100])
def test_validations_are_spread_along_the_budget(updates: int, tmp_path: Path) -> None:
    train_small(tmp_path / "run", model="ar", updates=updates, training__evaluations=5)
    at = [row["updates"] for row in rows(tmp_path / "run")]
    assert at == [-(-mark * updates // 5) for mark in range(1, 6)]


def test_large_validation_data_is_read_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GradientTrainer, "evaluation_steps", lambda _: 10)
    train_small(tmp_path / "run", model="ar", updates=100, training__evaluations=20)
    assert [row["updates"] for row in rows(tmp_path / "run")] == [20, 40, 60, 80, 100]


class Clock:
    """A clock that tells the seconds it was set to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock by which an update takes a second."""
    clock, step = Clock(), GradientTrainer.step

    def slow(self: GradientTrainer, *arguments: Any) -> None:
        clock.seconds += 1.0
        step(self, *arguments)

    monkeypatch.setattr(GradientTrainer, "step", slow)
    return clock


def test_a_short_run_validates_only_at_its_end(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first validation would take a third of the budget."""
    monkeypatch.setattr("seqloom.training.loop.time.monotonic", clock)
    monkeypatch.setattr(GradientTrainer, "evaluation_steps", lambda _: 10)
    text, out = write_text(tmp_path / "text.txt", lines=60), tmp_path / "run"
    seqloom.train("language-model", text, model="ar", minutes=0.5, out=out, quiet=True, settings={"embedding.dim": 8})
    assert [row["updates"] for row in rows(out)] == [30]


def test_freed_memory_is_returned_when_it_is_due(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    returns: list[float] = []
    monkeypatch.setattr("seqloom.training.gradients.time.monotonic", clock)
    monkeypatch.setattr("seqloom.training.gradients.return_freed_memory", lambda: returns.append(clock()))
    train_small(tmp_path / "run", model="ar", updates=25)
    assert returns == [10.0, 20.0]


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    run = train_small(tmp_path / "run", updates=8, training__precision="float32")  # a run is scored in it
    summary = run.summary
    assert summary.keys() >= {"finished", "parameters", "vocab_size", "seconds", "targets_per_second", "valid", "test"}
    assert summary["parameters"] == run.num_parameters()
    assert summary["threads"] == 1
    assert summary["peak_memory_in"] in ("start", "data", "model", "training", "validation", "checkpoint", "scores")
    metrics = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert summary["seconds"] == metrics[-1]["seconds"]
    assert summary["valid"]["perplexity"] == pytest.approx(min(row["valid_perplexity"] for row in metrics), rel=1e-6)
    assert [row["targets"] for row in metrics] == sorted(row["targets"] for row in metrics)


def test_a_budget_of_minutes_counts_validation(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A validation takes 7 seconds."""
    measure = GradientTrainer.measure

    def slow(self: GradientTrainer) -> Any:
        clock.seconds += 7.0
        return measure(self)

    monkeypatch.setattr("seqloom.training.loop.time.monotonic", clock)
    monkeypatch.setattr(GradientTrainer, "measure", slow)
    settings = {"model.hidden_size": 8, "embedding.dim": 8, "training.evaluations": 20}
    run = seqloom.train(
        "language-model",
        write_text(tmp_path / "text.txt", lines=60),
        model="lstm",
        minutes=10,
        out=tmp_path / "run",
        quiet=True,
        settings=settings,
    )
    seconds = [json.loads(line)["seconds"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    # At most a thirtieth of the time goes to validation: 7 seconds, then at least 210 until the next, but for the end.
    assert len(seconds) <= 4
    assert 600 <= seconds[-1] <= 610
    assert run.summary["updates"] == seconds[-1] - 7 * len(seconds)
    assert run.summary["targets_per_second"] == pytest.approx(
        json.loads((run.folder / "metrics.jsonl").read_text().splitlines()[-1])["targets"] / run.summary["updates"],
        rel=1e-3,
    )


def test_a_run_folder_holds_nothing_that_could_run(tmp_path: Path) -> None:
    train_small(tmp_path / "run")
    files = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {name.rsplit(".", 1)[-1] for name in files} == {"toml", "json", "jsonl", "safetensors", "current", "md"}


def overflowing(monkeypatch: pytest.MonkeyPatch, at: set[int]) -> None:
    """The gradients of these updates, counted from 1, overflow."""
    original, taken = scale_and_clip, itertools.count(1)

    def scale(parameters: list[torch.Tensor], *options: float) -> float:
        if next(taken) in at:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.fill_(torch.inf)
        return original(parameters, *options)

    monkeypatch.setattr(gradients, "scale_and_clip", scale)


@pytest.mark.parametrize("clip_norm", [0, 1.0])
def test_an_update_whose_gradient_overflows_is_skipped(
    clip_norm: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {**PLAIN, "training__clip_norm": clip_norm}
    train_small(tmp_path / "before", updates=4, **options)
    overflowing(monkeypatch, {5, 6})
    with pytest.warns(SeqloomWarning, match="the update is skipped") as warnings:
        train_small(tmp_path / "run", updates=6, **options)
    assert len([one for one in warnings if "update 5" in str(one.message)]) == 1
    assert not [one for one in warnings if "update 6" in str(one.message)]
    before, after = (load_checkpoint(tmp_path / name / "training") for name in ("before", "run"))
    assert before is not None
    assert after is not None
    assert (after.progress.updates, after.progress.overflows) == (6, 2)
    for name, weight in before.model.items():
        torch.testing.assert_close(after.model[name], weight, rtol=0, atol=0)


def test_gradients_that_overflow_again_and_again_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {**PLAIN}
    overflowing(monkeypatch, {2, *range(4, 20)})
    with (
        pytest.warns(SeqloomWarning, match="the update is skipped"),
        pytest.raises(seqloom.SeqloomError, match="the gradient is no longer a finite number") as stopped,
    ):
        train_small(tmp_path / "run", updates=30, **options)
    assert "update 14," in str(stopped.value)
