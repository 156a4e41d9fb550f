"""Generated worlds whose answer is known: `compare` must give it in at least 19 of 20 draws of each world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.questions import worlds

import seqloom
from seqloom.comparison import trainings
from tests.support.training_here import train_here

pytestmark = pytest.mark.slow

DRAWS = 20
REQUIRED = 19

Report = dict[str, Any]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start of a process takes longer than these trainings."""
    monkeypatch.setattr(trainings, "run_training", train_here)


def draw_worlds(
    folder: Path, world: Callable[[Path, int], str], is_right: Callable[[Report], bool], task: str, **arguments: Any
) -> None:
    """Compares on `DRAWS` draws of a world; `is_right` says of a report whether its verdict is the known answer."""
    right, wrong = 0, []
    for draw in range(DRAWS):
        place = folder / str(draw)
        place.mkdir()
        data = world(place / f"data.{'csv' if task == 'forecast' else 'txt'}", 100 + draw)
        report = seqloom.compare(task, data, out=place / "compared", quiet=True, threads=1, **arguments).report
        if is_right(report):
            right += 1
        else:
            wrong.append(f"draw {draw}: {report['verdict']} {[answer['text'] for answer in report['answers']]}")
        print(f"draw {draw}: {'right' if is_right(report) else 'WRONG'}, {report['verdict']}", flush=True)
        assert len(wrong) <= DRAWS - REQUIRED, "\n".join(wrong)
    print(f"right in {right} of {DRAWS} draws")


def nothing_beats(report: Report, model: str) -> bool:
    """Whether no other model is better, beyond chance."""
    return not any(pair["told_apart"] and pair["model"] == model for pair in report["pairs"])


def says(report: Report, topic: str, claim: str) -> bool:
    """Whether the report makes a claim about a topic, beyond chance."""
    return any(
        answer["topic"] == topic and answer["told_apart"] and answer["text"].startswith(f"{claim}:")
        for answer in report["answers"]
    )


SMALL_TEXTS = {
    "data.mode": "lines",
    "tokenizer.min_count": 1,
    "embedding.dim": 24,
    "embedding.dropout": 0.0,
    "output.dropout": 0.0,
    "hidden_size": 32,
    "learning_rate": 0.005,
    "evaluations": 3,
}


def test_counting_is_enough_where_two_words_decide(tmp_path: Path) -> None:
    """Order-2 Markov text: networks tie with the n-gram model or lose."""
    draw_worlds(
        tmp_path, worlds.markov_text, lambda report: nothing_beats(report, "ngram"), "language-model",
        models=["ngram", "ffnn", "gru"], updates=200, settings={**SMALL_TEXTS, "ngram:order": 3},
    )  # fmt: skip


def test_gates_are_needed_where_words_far_back_decide(tmp_path: Path) -> None:
    """Which of two marks came first, half a text of 100 words ago: a plain RNN does not learn it."""
    settings = {"embedding.dim": 16, "embedding.dropout": 0.0, "output.dropout": 0.0, "output.pool": "last"}
    draw_worlds(
        tmp_path,
        lambda path, seed: worlds.temporal_order(path, seed, steps=100),
        lambda report: report["leader"].startswith("lstm") and says(report, "Gates", "gates help"),
        "classify",
        models=["rnn", "lstm:time_scale=100"], updates=400,
        settings={f"{model}:{name}": value for model in ("rnn", "lstm") for name, value in
                  {**settings, "hidden_size": 64, "evaluations": 4}.items()},
    )  # fmt: skip


def test_an_autoregression_is_enough_for_an_autoregression(tmp_path: Path) -> None:
    """AR(2): nothing beats `ar`, and `ar` beats the naive forecasts."""

    def is_right(report: Report) -> bool:
        return nothing_beats(report, "ar") and says(report, "Naive forecasts", "a model beats the naive forecasts")

    draw_worlds(
        tmp_path, worlds.autoregressive_series, is_right, "forecast",
        models=["ar", "gru"], updates=150,
        settings={"data.horizon": 3, "data.test_steps": 150, "gru:hidden_size": 16},
    )  # fmt: skip


def test_attention_is_needed_to_reverse_strings(tmp_path: Path) -> None:
    settings = {
        "embedding.dim": 24,
        "encoder.hidden_size": 48,
        "decoder.hidden_size": 48,
        "embedding.dropout": 0.0,
        "output.dropout": 0.0,
        "output.label_smoothing": 0.0,
        "training.learning_rate": 0.005,
        "training.evaluations": 2,
        "tokenizer.kind": "character",
        "decoding.beam_size": 1,
    }
    draw_worlds(
        tmp_path,
        worlds.reversed_strings,
        lambda report: report["leader"] == "gru+attention" and says(report, "Attention", "attention helps"),
        "translate",
        models=["gru", "gru+attention"], updates=300, settings=settings,
    )  # fmt: skip


SMALL_CLASSIFIERS = {"gru:hidden_size": 32, "gru:embedding.dim": 16, "evaluations": 3}


def test_a_bag_of_words_is_enough_where_the_order_says_nothing(tmp_path: Path) -> None:
    draw_worlds(
        tmp_path, worlds.bag_of_words_labels, lambda report: nothing_beats(report, "bow"), "classify",
        models=["bow", "gru"], updates=150, settings=SMALL_CLASSIFIERS,
    )  # fmt: skip


def test_nothing_is_found_in_noise(tmp_path: Path) -> None:
    draw_worlds(
        tmp_path,
        worlds.noise_labels,
        lambda report: not any(pair["told_apart"] for pair in report["pairs"]),
        "classify",
        models=["bow", "gru", "ffnn"], updates=60, settings=SMALL_CLASSIFIERS,
    )  # fmt: skip
