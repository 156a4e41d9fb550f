"""Warnings of a comparison: little test data, models still improving, budgets overrun, busy machines, leaked labels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.comparison.test_scoreboard import row, scored

from seqloom.comparison.differences import pairwise, to_leader
from seqloom.comparison.fairness import busy_machine, extrapolated_gain, extrapolations, warnings
from seqloom.comparison.leakage import leakage_warning, telling_tokens
from seqloom.comparison.questions import ModelFacts
from seqloom.comparison.report_content import make_report
from seqloom.comparison.results import Results
from seqloom.comparison.scoreboard import Row
from seqloom.data.corpus import Sources, prepare
from seqloom.run import make_settings
from seqloom.tasks import tasks


def curve(end: float, slope: float) -> list[tuple[float, float]]:
    """A perplexity that falls by `slope` nats with each doubling of the time, down to `end`."""
    return [(second, end * math.exp(slope * math.log2(10 / second))) for second in range(1, 11)]


def with_curve(original: Row, end: float, slope: float) -> Row:
    return replace(original, curves=[curve(end, slope)])


def test_the_gain_of_twice_the_time_is_that_of_the_curve() -> None:
    assert extrapolated_gain(curve(100.0, 0.1), True) == pytest.approx(100 * (1 - math.exp(-0.1)))
    assert extrapolated_gain(curve(100.0, 0.0), True) == pytest.approx(0, abs=1e-9)
    assert extrapolated_gain(curve(100.0, -0.1), True) == 0  # it became worse
    assert extrapolated_gain([(5.0, 100.0)], True) == 0
    accuracy = [(second, 0.5 + 0.2 * math.log2(second)) for second in (1.0, 2.0, 3.0, 4.0)]
    assert extrapolated_gain(accuracy, False) == pytest.approx(0.1)  # it cannot exceed 1


def test_a_model_that_still_improves_is_named_and_whether_the_order_would_change() -> None:
    first, second = with_curve(row("a", [100.0, 101.0]), 100, 0.0), with_curve(row("b", [102.0, 103.0]), 102, 0.2)
    assert [extrapolation.model for extrapolation in extrapolations([first, second], True)] == ["b", "a"]
    said = " ".join(warnings([first, second], [], "line", True, {}))
    assert "Still improving when the budget ended: b (−" in said
    assert "another model would probably come first: b (about 84." in said
    converged = with_curve(second, 102, 0.001)
    assert warnings([first, converged], [], "line", True, {}) == []


def test_shares_end_at_1_and_no_difference_needs_no_test_data() -> None:
    rising = [(float(second), 0.8 + 0.018 * second) for second in range(1, 11)]
    rows = [replace(row("a", [0.99]), curves=[rising]), replace(row("b", [0.9]), curves=[rising])]
    first, second = extrapolations(rows, lower_is_better=False)
    assert (first.model, first.gain) == ("a", pytest.approx(0.01))
    assert second.score <= 1
    models = [scored("a", [0.9, 0.91, 0.92]), scored("b", [0.92, 0.91, 0.9])]
    assert warnings([row("a", [0.9])], to_leader(pairwise(models, False), models), "line", False, {}) == []


def test_too_little_test_data_overrun_and_a_busy_machine() -> None:
    models = [scored("a", [90.0, 91.0, 89.5]), scored("b", [90.4, 91.3, 89.9])]
    differences = to_leader(pairwise(models, True), models)
    rows = [replace(row("a", [90.0], share=0.5), seconds=80.0), replace(row("b", [90.4], share=0.6), seconds=60.0)]
    little, late = warnings(rows, differences, "line", True, {"minutes": 1.0})
    assert "400 lines" in little
    assert "too few for the difference between a and b" in little
    assert "budget of 60 s" in late
    assert "a (80.0 s)" in late
    busy = busy_machine(rows, {"minutes": 1.0})
    assert busy.startswith("No verdict: the machine was busy. The trainings got 50 % to 60 %")
    assert "Here it was a and b." in busy
    assert busy_machine(rows, {"updates": 100}) == ""
    assert busy_machine([*rows, row("c", [90.2], share=0.81)], {"minutes": 1.0}) == ""  # others are slow or repeated


@pytest.mark.parametrize(("share", "left_out"), [(0.5, ["a", "b"]), (0.9, ["b"])])
def test_a_machine_so_busy_that_no_two_models_are_left_gives_no_verdict(share: float, left_out: list[str]) -> None:
    rows = [row("a", [90.0, 91.0], share=share), row("b", [95.0, 95.5], share=share)]
    summary = {"lower_is_better": True, "score": "perplexity"}
    results = Results([{"summary": summary}], {r.model: scored(r.model, r.scores) for r in rows}, rows, "line", 400)
    facts = {r.model: ModelFacts("lstm", {}) for r in rows}
    terms = {"task": "language-model", "budget": {"minutes": 1.0}}
    report = make_report(results, terms, "seqloom compare", facts, left_out)
    assert report["verdict"].startswith(f"No verdict: the machine was busy. The trainings got {100 * share:.0f} %")
    assert report["leader"] == "a"
    assert not report["pairs"]
    assert "answers" not in report
    assert not [note for note in report["notes"] if note.startswith("Left out")]


def test_a_class_told_by_one_token(tmp_path: Path) -> None:
    lines = [f"ham\tgood {word}" for word in "abcdefghijkl" * 2] + [
        f"spam\tbuy-now {word}" for word in "abcdefghijkl" * 2
    ]
    lines += ["other\tgood a"] * 2
    path = tmp_path / "labelled.tsv"
    path.write_text("".join(f"{line} {number}\n" for number, line in enumerate(lines)), encoding="utf-8")
    recipe = tasks["classify"].recipe(make_settings("classify", "bow", {"tokenizer.punctuation": False}))
    train = prepare(Sources(str(path)), recipe, tmp_path / "cache").train
    assert telling_tokens(train) == {"spam": "buy-now"}
    assert "spam by 'buy-now'" in leakage_warning(train)
    assert telling_tokens(object()) == {}
