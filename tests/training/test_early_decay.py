"""Where patience runs out before the decay of the learning rate, the decay begins, from the best weights on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.training.budget import EarlyDecay, Progress
from seqloom.training.gradients import GradientTrainer
from tests.support.small_runs import assert_same_run, rows, signal_after, train_small
from tests.support.texts import with_small, write_text

LARGE_STEPS: dict[str, Any] = {
    "training__precision": "float32",
    "training__optimizer": "sgd",
    "training__learning_rate": 4.0,  # leads nowhere until it falls
    "training__warmup": 0,
    "training__decay": 0.4,
    "training__patience": 3,
    "training__evaluations": 100,
}
UPDATES = 400


@pytest.fixture
def fractions(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The place in the schedule at each update."""
    places, step = [], GradientTrainer.step

    def record(self: GradientTrainer, progress: Progress, fraction: float) -> None:
        places.append(fraction)
        step(self, progress, fraction)

    monkeypatch.setattr(GradientTrainer, "step", record)
    return places


def test_the_schedule_jumps_to_the_decay(
    fractions: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored, restore = [], GradientTrainer.restore

    def record(self: GradientTrainer, checkpoint: Path) -> None:
        restored.append(int(checkpoint.name.removeprefix("update-")))
        restore(self, checkpoint)

    monkeypatch.setattr(GradientTrainer, "restore", record)
    run = train_small(tmp_path / "run", updates=UPDATES, **LARGE_STEPS)
    jump = next(i for i, place in enumerate(fractions) if place >= 0.6)
    assert fractions[:jump] == pytest.approx([i / UPDATES for i in range(jump)])
    assert fractions[jump] == pytest.approx(0.6)
    (best,) = restored
    assert best == jump - 3 * (UPDATES // 100)
    length = best * 0.4 / 0.6  # as if the budget had been best / 0.6
    assert fractions[jump:] == pytest.approx([0.6 + 0.4 * i / length for i in range(len(fractions) - jump)])
    assert len(fractions) - jump == -int(-length // 1)
    assert run.summary["updates"] == len(fractions) < UPDATES
    assert run.summary["finished"]
    assert run.summary["out_of_patience"]
    scores = {row["updates"]: row["valid_perplexity"] for row in rows(run.folder)}
    assert run.summary["valid"]["perplexity"] == pytest.approx(min(scores.values()), rel=1e-6)
    assert min(scores.values()) < scores[best], "the decay is meant to gain something here"
    assert not (run.folder / "training" / "best").exists()


def test_a_budget_in_epochs_is_divided_in_the_same_way(fractions: list[float], tmp_path: Path) -> None:
    settings = with_small({"model.hidden_size": 8} | {n.replace("__", "."): v for n, v in LARGE_STEPS.items()})
    text = write_text(tmp_path / "text.txt", lines=60)
    run = seqloom.train(
        "language-model", text, model="lstm", epochs=40, settings=settings, threads=1, quiet=True, out=tmp_path / "run"
    )
    assert run.summary["out_of_patience"]
    jump = next(i for i, place in enumerate(fractions) if place >= 0.6)
    assert fractions[jump - 1] < 0.59
    assert fractions[jump] == pytest.approx(0.6)
    steps = [after - before for before, after in pairwise(fractions[jump:])]
    assert max(steps) < 1.2 * min(steps)  # not every epoch has as many updates
    assert fractions[-1] < 1 < fractions[-1] + 1.1 * max(steps)


@pytest.mark.parametrize("other", [{"training__average": 0.9}, {"data__mode": "lines", "output__dropout": 0.2}])
def test_stopped_around_it_and_resumed_is_unbroken(
    other: dict[str, Any], fractions: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**LARGE_STEPS, **other}
    train_small(tmp_path / "unbroken", updates=UPDATES, **settings)
    jump = next(i for i, place in enumerate(fractions) if place >= 0.6)
    for stop in (jump - 5, jump, jump + 1):
        folder = tmp_path / f"stopped-{stop}"
        with monkeypatch.context() as patch:
            signal_after(patch, stop)
            assert not train_small(folder, updates=UPDATES, **settings).summary["finished"]
        assert train_small(folder, updates=UPDATES, resume=True, **settings).summary["finished"]
        assert_same_run(tmp_path / "unbroken", folder)


def test_patience_does_not_count_while_the_rate_falls(tmp_path: Path) -> None:
    settings = {**LARGE_STEPS, "training__decay": 0.99, "training__patience": 1}
    run = train_small(tmp_path / "run", updates=60, **settings)
    scores = [row["valid_perplexity"] for row in rows(run.folder)]
    assert any(after > before for before, after in pairwise(scores)), "patience would have run out here"
    assert run.summary["updates"] == 60
    assert not run.summary["out_of_patience"]


@pytest.mark.parametrize(
    ("best_at", "spent", "share", "length"),
    [(0.2, 0.3, 0.5, 0.2), (0.3, 0.5, 0.25, 0.1), (0.5, 0.7, 0.5, 0.3), (0.0, 0.3, 0.3, None), (0.2, 0.3, 0.0, None)],
)
def test_how_long_it_is(best_at: float, spent: float, share: float, length: float | None) -> None:
    decay = EarlyDecay.from_best(best_at, spent, share)
    assert (decay and decay.length) == (length and pytest.approx(length))
    if decay is not None:
        assert decay.fraction(spent) == pytest.approx(1 - share)
        assert decay.fraction(spent + decay.length) == pytest.approx(1)
