"""The scores of examples make up the metric, and their spread is the metric's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.spans import span_counts, span_scores
from seqloom.metrics.transduction import bleu, bleu_statistics


def some(metric: str, examples: int, seed: int = 1) -> ExampleScores:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(5, 30, size=examples).astype(float)
    if metric == "f1":
        expected = rng.integers(1, 6, size=examples).astype(float)
        right = np.minimum(rng.integers(0, 4, size=examples), expected)
        return ExampleScores(metric, "sentence", np.column_stack([right, expected, right + 1]))
    if metric == "bleu":
        rng = random.Random(seed)
        lines = [" ".join(rng.choices("abcdefgh", k=rng.randint(4, 12))) for _ in range(examples)]
        wrong = [line.replace("a", "b", 1) if rng.random() < 0.7 else line + " c" for line in lines]
        return ExampleScores(metric, "source", np.array(bleu_statistics(wrong, lines), dtype=np.float64))
    return ExampleScores(metric, "line", np.column_stack([tokens * rng.gamma(3, 1, size=examples), tokens]))


@pytest.mark.parametrize("metric", ["ratio", "perplexity", "f1", "bleu"])
def test_pseudo_values_have_the_metric_as_their_mean_and_its_spread(metric: str) -> None:
    scores = some(metric, 600)
    values = scores.pseudo_values()
    assert values.mean() == pytest.approx(scores.value)
    rng = np.random.default_rng(2)
    again = [
        ExampleScores(metric, "", scores.sums[rng.integers(600, size=600)]).value for _ in range(800)
    ]  # the bootstrap
    assert values.std(ddof=1) / np.sqrt(600) == pytest.approx(np.std(again), rel=0.12)


def test_bleu_is_that_of_the_corpus() -> None:
    references = ["the cat sat on the mat", "a dog ran far away today", "it rains"]
    for hypotheses in (["the cat sat on a mat", "a dog ran away today", "it rains"], ["x y", "a dog", "z"], ["q"] * 3):
        sums = np.array(bleu_statistics(hypotheses, references), dtype=np.float64)
        assert ExampleScores("bleu", "source", sums).value == pytest.approx(bleu(hypotheses, references))


def test_span_counts_add_up_to_the_scores() -> None:
    gold = [["B-X", "I-X", "O"], ["O", "B-Y", "O"], ["B-X", "O", "B-Y"]]
    found = [["B-X", "I-X", "O"], ["B-Y", "O", "O"], ["B-X", "O", "B-X"]]
    sums = np.array([span_counts(*tags) for tags in zip(gold, found, strict=True)], dtype=np.float64)
    assert ExampleScores("f1", "sentence", sums).value == pytest.approx(span_scores(gold, found).f1)


def test_examples_without_any_answer_have_a_metric() -> None:
    for metric, columns in (("ratio", 2), ("f1", 3), ("bleu", 10)):
        empty = ExampleScores(metric, "line", np.zeros((4, columns)))
        assert empty.value == 0.0
        assert np.isfinite(empty.pseudo_values()).all()
