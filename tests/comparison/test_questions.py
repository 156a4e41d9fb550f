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


def answered(
    scores: dict[str, list[float]], models: dict[str, ModelFacts], task: str = "language-model", unit: str = "line"
) -> dict[str, str]:
    ranked = sorted((scored(name, values) for name, values in scores.items()), key=lambda s: s.mean)
    rows = [row(s.model, list(s.scores)) for s in ranked]
    return {a.topic: a.text for a in answers(rows, pairwise(ranked, True), models, "test perplexity", task, unit)}


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


def test_equal_scores_are_no_difference_and_not_an_order() -> None:
    said = answered({"gru": [5.0, 5.0, 5.0], "rnn": [5.0, 5.0, 5.0]}, {"gru": facts("gru"), "rnn": facts("rnn")})
    assert said["Gates"] == "no difference: gru and rnn reached the same perplexity."


def test_one_seed_answers_with_an_order() -> None:
    said = answered({"gru": [5.0], "rnn": [6.0]}, {"gru": facts("gru"), "rnn": facts("rnn")})
    assert (
        said["Gates"] == "perhaps gates help: gru is ahead of rnn by 1.000 perplexity, which is an order and no more."
    )


def test_the_questions_of_forecasting() -> None:
    def asked(scores: dict[str, list[float]], unit: str = "series") -> dict[str, str]:
        return answered(scores, {name: facts(name) for name in scores}, "forecast", unit)

    scores = {"seasonal-naive": [1.5, 1.51, 1.52], "ar": [1.0, 1.01, 1.02], "mix": [0.9, 0.91, 0.92]}
    scores |= {"gru": [0.8, 0.81, 0.82]}
    said = asked(scores)
    assert said["Naive forecasts"].startswith(
        "a model beats the naive forecasts: gru is ahead of seasonal-naive by 0.7"
    )
    assert said["Autoregression"].startswith("a recurrent network beats an autoregression: gru is ahead of ar by 0.2")
    assert said["One model of all series"].startswith("one model of all series beats one for each: gru is ahead of ar")
    assert "Counting or learning" not in said  # `mix` counts in a language model only
    assert "One model of all series" not in asked(scores, "forecast")
    tied = asked({"naive": [1.0, 1.01, 1.02], "ar": [0.999, 1.009, 1.02], "gru": [1.001, 1.0, 1.03]})
    assert tied["Naive forecasts"].startswith("not enough evidence that a model beats the naive forecasts: ar is")
    assert tied["Autoregression"].startswith("not enough evidence that an autoregression beats a recurrent network")
    worse = asked({"naive": [1.0, 1.01, 1.02], "ar": [1.5, 1.51, 1.52], "gru": [2.0, 2.01, 2.02]})
    assert worse["Naive forecasts"].startswith("nothing beats the naive forecasts: naive is ahead of ar")
    assert worse["Autoregression"].startswith("an autoregression beats a recurrent network: ar is ahead of gru")


def test_depth_is_not_answered_where_another_setting_differs() -> None:
    models = {"lstm": facts("lstm"), "deep": facts("lstm", 2, **{"output.dropout": 0.5})}
    assert "Depth" not in answered({"lstm": [5.0, 5.1], "deep": [4.0, 4.1]}, models)


def test_what_to_use_and_what_to_try() -> None:
    models = [scored("lstm", [50.0, 50.5, 49.5]), scored("gru", [50.1, 50.4, 49.9]), scored("rnn", [70.0, 70.1, 70.2])]
    sizes = {"lstm": 3_000_000, "gru": 2_000_000, "rnn": 1_000_000}
    rows = [replace(row(s.model, list(s.scores)), parameters=sizes[s.model]) for s in models]
    differences = to_leader(pairwise(models, True), models)
    quality, size, latency = recommendations(rows, differences, "test perplexity")
    assert quality == "If quality matters most: lstm (50.00). gru is not told apart from it."
    assert size.startswith(
        "If size matters most: gru (2.0 M parameters), not told apart from the best. rnn needs less (1"
    )
    assert size.endswith(", but is 20.10 perplexity behind.")
    assert latency.startswith("If latency matters most: lstm (")  # all are equally fast
    assert latency.endswith(" ms per token), the best.")
    known = {s.model: facts(s.model, **{"training.learning_rate": 1e-3}) for s in models}
    steps = next_steps(rows, differences, known, True, ["lstm", "bilstm", "lstm+attention"], tuned=False)
    steps = [step for step in steps if not step.startswith("--seeds ")]
    assert steps[0] == "depth: --models lstm,lstm:model.num_layers=2"
    assert steps[1] == "attention: --models lstm,lstm+attention"
