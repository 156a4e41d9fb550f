"""The questions of the field, what to use, and what to try next, from scores of which the answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.comparison.test_scoreboard import row, scored

from seqloom.comparison.advice import next_steps, recommendations
from seqloom.comparison.differences import pairwise, to_leader
from seqloom.comparison.questions import ModelFacts, answers


def facts(model: str, layers: int = 1, **settings: Any) -> ModelFacts:
    return ModelFacts(model, {"model.num_layers": layers, **settings})


def answered(scores: dict[str, list[float]], models: dict[str, ModelFacts]) -> dict[str, str]:
    ranked = sorted((scored(name, values) for name, values in scores.items()), key=lambda s: s.mean)
    rows = [row(s.model, list(s.scores)) for s in ranked]
    return {a.topic: a.text for a in answers(rows, pairwise(ranked, True), models, "test perplexity")}


def test_each_question_is_answered_by_the_best_models_that_differ_in_it_alone() -> None:
    scores = {
        "lstm": [50.0, 50.1, 50.2],
        "deep": [45.0, 45.1, 45.2],
        "rnn": [70.0, 70.1, 70.2],
        "ffnn": [80.0, 80.1, 80.3],
        "transformer": [45.01, 45.11, 45.2],
        "ngram": [90.0, 90.1, 90.2],
        "bilstm": [60.0, 60.1, 60.2],
    }
    models = {name: facts(name) for name in scores} | {"deep": facts("lstm", 2)}
    models["ffnn"] = facts("ffnn", **{"model.order": 5})
    said = answered(scores, models)
    assert said["Memory"].startswith(
        "a recurrent network beats a window of the last elements: deep is ahead of ffnn by 35"
    )
    assert said["Gates"].startswith("gates help: ")
    assert "rnn by" in said["Gates"]
    assert said["Depth"].startswith("more layers help: deep is ahead of lstm by 5.000 perplexity (95 % interval")
    assert said["Directions"].startswith("one direction is enough: ")
    assert said["Recurrence"].startswith("not enough evidence that recurrence beats attention alone")
    assert said["Counting or learning"].startswith("a network learns more than counts tell: deep is ahead of ngram")
    assert "Attention" not in said
    models["ffnn"] = facts("ffnn")  # as in classify, where it reads the mean of all tokens
    assert "Memory" not in answered(scores, models)


def test_one_seed_answers_with_an_order() -> None:
    said = answered({"gru": [5.0], "rnn": [6.0]}, {"gru": facts("gru"), "rnn": facts("rnn")})
    assert (
        said["Gates"] == "perhaps gates help: gru is ahead of rnn by 1.000 perplexity, which is an order and no more."
    )


def test_depth_is_not_answered_where_another_setting_differs() -> None:
    models = {"lstm": facts("lstm"), "deep": facts("lstm", 2, **{"output.dropout": 0.5})}
    assert "Depth" not in answered({"lstm": [5.0, 5.1], "deep": [4.0, 4.1]}, models)


def test_what_to_use_and_what_to_try() -> None:
    models = [scored("lstm", [50.0, 50.5, 49.5]), scored("gru", [50.1, 50.4, 49.9]), scored("rnn", [70.0, 70.1, 70.2])]
    sizes = {"lstm": 3_000_000, "gru": 2_000_000, "rnn": 1_000_000}
    rows = [replace(row(s.model, list(s.scores)), parameters=sizes[s.model]) for s in models]
    differences = to_leader(pairwise(models, True), models)
    quality, size, latency = recommendations(rows, differences, "test perplexity")
    assert quality == "If quality matters most: lstm (50.00), or gru, not told apart from it."
    assert size.startswith("If size matters most: rnn (1.0 M parameters, 20.1")
    assert "without a loss that this comparison could show: gru (2.0 M parameters)" in size
    assert "ms per token" in latency
    known = {s.model: facts(s.model, **{"training.learning_rate": 1e-3}) for s in models}
    steps = next_steps(rows, differences, known, True, ["lstm", "bilstm", "lstm+attention"], tuned=False)
    steps = [step for step in steps if not step.startswith("--seeds ")]
    assert steps[0] == "depth: --models lstm,lstm:model.num_layers=2"
    assert steps[1] == "attention: --models lstm,lstm+attention"
