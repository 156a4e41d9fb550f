"""Of every task that gives them, the scores of examples make up the score of the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.data.corpus import prepare
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.tasks.capabilities import ScoresEachExample
from tests.support.labelled import write_labelled
from tests.support.pairs import SMALL_NETWORK, write_pairs
from tests.support.sentences import write_sentences
from tests.support.sounds import SMALL_NETWORK as SMALL_TRANSCRIBER
from tests.support.sounds import write_recordings
from tests.support.texts import SMALL, with_small, write_text
from tests.support.vectors_with_texts import SMALL_NETWORK as SMALL_DESCRIBER
from tests.support.vectors_with_texts import write_scenes

HIDDEN = {"model.hidden_size": 8}
TINY: dict[str, tuple[str, str, Callable[[Path], str], dict[str, Any]]] = {
    "stream": ("language-model", "rnn", write_text, {**SMALL, **HIDDEN}),
    "lines": ("language-model", "gru", write_text, with_small({**HIDDEN, "data.mode": "lines"})),
    "counts": ("language-model", "ngram", write_text, {"tokenizer.min_count": 1}),
    "classes": (
        "classify",
        "gru",
        write_labelled,
        {"tokenizer.min_count": 1, "embedding.dim": 6, "model.hidden_size": 8},
    ),
    "exact-match": (
        "translate",
        "gru+attention",
        write_pairs,
        {**SMALL_NETWORK, "encoder.hidden_size": 8, "decoder.hidden_size": 8},
    ),
    "spans": ("tag", "gru", write_sentences, HIDDEN),
    "scenes": ("describe", "gru", write_scenes, SMALL_DESCRIBER),
    "recordings": ("transcribe", "gru", write_recordings, {**SMALL_TRANSCRIBER, "decoding.beam_size": 4}),
    "bits": ("algorithm", "gru", lambda _: "copy", {**HIDDEN, "model.num_layers": 1, "data.held_out": 40}),
}


@pytest.mark.parametrize("case", TINY)
def test_the_scores_of_examples_make_up_the_score(case: str, tmp_path: Path) -> None:
    name, model, write, settings = TINY[case]
    task = tasks[name]
    assert isinstance(task, ScoresEachExample)
    run = seqloom.train(
        name,
        write(tmp_path / "data.txt"),
        model=model,
        updates=3,
        threads=1,
        quiet=True,
        out=tmp_path / "run",
        settings=settings,
    )
    corpus = prepare(run.plan.sources, task.recipe(run.plan.settings), cache_folder())
    data = corpus.valid if corpus.test is None else corpus.test
    scores = task.example_scores(run.trained, data)
    assert scores.value == pytest.approx(run.evaluate(data)[task.score(data).name], rel=1e-4)
    assert len(scores.sums) >= 5
    again = task.example_scores(run.trained, data)
    assert np.array_equal(scores.sums, again.sums)


@pytest.mark.parametrize(("series", "unit"), [(1, "forecast"), (12, "series")])
def test_forecasts_are_scored_by_series_or_where_these_are_few_by_forecast(
    series: int, unit: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    rows = ["time,series,value"]
    for number in range(series):
        level = rng.standard_normal(240).cumsum()
        rows += [f"2024-{1 + day // 28:02d}-{1 + day % 28:02d},s{number},{level[day]:.4f}" for day in range(240)]
    path = tmp_path / "series.csv"
    path.write_text("\n".join(rows) + "\n")
    run = seqloom.train("forecast", str(path), model="naive", threads=1, quiet=True, out=tmp_path / "run")
    corpus = prepare(run.plan.sources, run.task.recipe(run.plan.settings), cache_folder())
    data = corpus.valid if corpus.test is None else corpus.test
    assert isinstance(run.task, ScoresEachExample)
    scores = run.task.example_scores(run.trained, data)
    assert scores.unit == unit
    assert scores.value == pytest.approx(run.evaluate(data)["mase"], rel=1e-9)
