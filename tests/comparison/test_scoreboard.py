"""The table, the verdict, and the page made of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqloom.comparison.differences import Difference, ModelScores, pairwise, to_leader
from seqloom.comparison.questions import ModelFacts
from seqloom.comparison.report import report_page
from seqloom.comparison.report_charts import pareto_front
from seqloom.comparison.report_content import make_report
from seqloom.comparison.results import Results
from seqloom.comparison.scoreboard import Row, model_scores, notes, scoreboard, table
from seqloom.comparison.tables import latex_table, markdown_table
from seqloom.comparison.verdict import verdict
from seqloom.metrics.example_scores import ExampleScores

EVIL = "<script>alert('&\"')</script>"


def scored(model: str, scores: list[float], *, counts: bool = False) -> ModelScores:
    """Seeds with these scores, each the mean of 400 examples that vary by 0.1 around what all models share."""
    rng = np.random.default_rng([ord(letter) for letter in model])
    common = np.random.default_rng(1).standard_normal(400)
    values = common - common.mean() + 0.1 * rng.standard_normal((len(scores), 400))
    values += np.array(scores)[:, None] - values.mean(1, keepdims=True)
    return ModelScores(model, scores, values, deterministic=counts)


def row(model: str, scores: list[float], *, counts: bool = False, share: float = 0.99) -> Row:
    """A row; `counts`: of a model that is not trained step by step."""
    runs = [
        {
            "summary": {
                "test": {"perplexity": score, "bits_per_byte": 1.25},
                "valid": {"perplexity": score},
                "parameters": 1_234_567,
                "targets_per_second": None if counts else 12_345.6,
                "peak_memory_bytes": 512_000_000,
                "threads": 2,
                "seconds": 3.0,
                "processor_share": share,
            },
            "metrics": []
            if counts
            else [{"seconds": s, "valid_perplexity": 9 * score / s, "epoch": s} for s in (1, 9)],
        }
        for score in scores
    ]
    return Row.of(scored(model, scores, counts=counts), "perplexity", runs, 0.5, 400)


def said_of(*models: ModelScores, lower: bool = True) -> str:
    return verdict(models, to_leader(pairwise(models, lower), models), "test perplexity", lower, "line")


def report(rows: list[Row]) -> dict[str, Any]:
    models = [scored(row.model, row.scores, counts=row.deterministic) for row in rows]
    return {
        "task": "language-model",
        "score": "test perplexity",
        "lower_is_better": True,
        "verdict": said_of(*models),
        "notes": notes(rows, "line"),
        "leader": rows[0].model,
        "differences": [difference.to_json() for difference in to_leader(pairwise(models, True), models)],
        "examples": {"number": 400, "unit": "line"},
        "terms": {
            "task": "language-model",
            "data": f"folder/{EVIL}",
            "valid": None,
            "test": None,
            "models": [r.model for r in rows],
            "seeds": len(rows[0].scores),
            "budget": {"minutes": 1.0},
            "threads": 2,
            "settings": {"x": EVIL},
        },
        "command": f"seqloom compare {EVIL}",
        "date": "2026-01-01T00:00:00+00:00",
        "machine": {"processor": EVIL, "cores": 2, "threads": 2, "python": "3.12", "torch": "2.13.0"},
        "rows": [r.to_json() for r in rows],
    }


def test_the_table_is_aligned_and_fits_a_terminal() -> None:
    table = scoreboard([row("lstm", [98.0, 99.0]), row("n", [1203.0], counts=True)], "test perplexity")
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[3].split() == ["lstm", "98.50", "±", "6.35", "1.250", "1.2", "M", "12,346", "0.50", "512", "MB", "9.0"]
    assert lines[4].split() == ["n", "1,203", "±", "0", "1.250", "1.2", "M", "–", "0.50", "512", "MB", "–"]


def test_one_seed_gives_an_order_and_no_more() -> None:
    rows = [row("a", [5.0]), row("b", [6.0])]
    assert "5.000 ± –" in scoreboard(rows, "test perplexity")
    assert "one seed" in notes(rows, "line")[0]
    said = said_of(scored("a", [5.0]), scored("b", [6.0]))
    assert said.startswith(
        "a came first: its test perplexity is 1.000 lower than that of b (5.000 against 6.000, 17 %)"
    )
    assert "an order and no more" in said
    assert "--seeds 3" in said
    assert "won" not in said


def test_models_without_a_seed_are_told_apart_by_examples_alone() -> None:
    said = said_of(scored("bigram", [5.0], counts=True), scored("unigram", [6.0], counts=True))
    assert said.startswith("bigram won")
    assert "no seed" in notes([row("bigram", [5.0], counts=True)], "line")[-1].lower()


def test_a_clear_winner_is_named_with_its_lead_in_the_scores_unit() -> None:
    said = said_of(scored("a", [90.0, 90.1, 90.2]), scored("b", [100.0, 100.1, 100.2]))
    assert said.startswith("a won: its test perplexity is 10.00 lower than that of b (90.10 against 100.1, 10 %; 95 %")
    assert "p < 0.001" in said


def test_a_tie_says_what_would_be_enough() -> None:
    said = said_of(scored("a", [90.0, 91.0, 89.5]), scored("b", [90.4, 91.3, 89.9]), scored("c", [500.0, 500.1, 500.3]))
    assert said.startswith("a and b are not told apart: there is not enough evidence (p = ")
    assert "corrected for 3 pairs" in said
    assert "a is better than c (p < 0.001)" in said
    assert re.search(r"about [\d,]+ seeds( or .*)? would be enough", said)


def test_who_varies_too_much_ties_and_is_named() -> None:
    said = said_of(scored("a", [1.0, 1.01, 1.02]), scored("b", [2.0, 2.01, 2.02]), scored("c", [1.5, 9.0, 2.0]))
    assert said.startswith("a and c are not told apart")
    assert "a is better than b" in said


def test_scores_that_do_not_vary_are_no_evidence() -> None:
    """Two seeds at 100.0 and two at 100.01, of a single example."""
    one, other = (
        ModelScores(name, [value] * 2, np.full((2, 1), value)) for name, value in (("a", 100.0), ("b", 100.01))
    )
    (difference,) = pairwise([one, other], True)
    assert difference.p is None
    assert not difference.told_apart
    assert "no test is possible" in said_of(one, other)


def test_without_scores_of_examples_there_is_an_order_only() -> None:
    said = said_of(ModelScores("a", [1.0, 1.1], None), ModelScores("b", [2.0, 2.1], None))
    assert "an order and no more" in said


def test_higher_is_better_where_the_score_is_so() -> None:
    said = said_of(scored("a", [0.9, 0.91, 0.905]), scored("b", [0.5, 0.51, 0.5]), lower=False)
    assert "0.402 higher than that of b" in said


def test_scores_are_named_in_words_and_large_differences_in_whole_percent() -> None:
    models = scored("a", [0.9, 0.91, 0.905]), scored("b", [0.1, 0.11, 0.105])
    said = verdict(models, pairwise(models, False), "test exact_match", False, "source")
    assert said.startswith("a won: its test exact match is 0.800 higher than that of b (0.905 against 0.105, 762 %;")


def test_equal_scores_of_the_best_do_not_hide_the_other_models() -> None:
    said = said_of(scored("a", [5.0, 5.1, 5.2]), scored("b", [5.0, 5.1, 5.2]), scored("c", [9.0, 9.1, 9.2]))
    assert said.startswith("a and b tie: they reached the same test perplexity, 5.100. a is better than c (p ")
    said = said_of(scored("a", [5.0, 5.1, 5.2]), scored("b", [5.0, 5.1, 5.2]), scored("c", [5.0, 5.1, 5.3]))
    assert "a and c are not told apart: there is not enough evidence (p = " in said


def test_the_same_scores_in_other_numbers_are_not_the_same() -> None:
    said = said_of(scored("a", [5.0, 5.0, 6.0]), scored("b", [5.0, 6.0, 6.0]))
    assert "they reached the same" not in said
    assert said.startswith("a and b are not told apart: there is not enough evidence")
    said = said_of(scored("bigram", [5.0], counts=True), scored("lstm", [5.0, 5.0, 5.0]))
    assert said == "bigram and lstm tie: they reached the same test perplexity, 5.000."


@pytest.mark.parametrize(
    ("metric", "lower", "best", "learnt"),
    [
        ("test word_error_rate", True, 1.0, False),
        ("test word_error_rate", True, 0.9, True),
        ("test exact_match", False, 0.0, False),
        ("test exact_match", False, 0.1, True),
        ("test perplexity", True, 1.2, True),
    ],
)
def test_a_tie_of_models_that_learnt_nothing_says_so(metric: str, lower: bool, best: float, learnt: bool) -> None:
    models = [ModelScores(name, [best] * 2, np.full((2, 9), best)) for name in "ab"]
    said = verdict(models, to_leader(pairwise(models, lower), models), metric, lower, "recording")
    assert said.startswith("a and b tie: they reached the same test ")
    assert ("No model has learnt anything that this score shows: " not in said) == learnt


def test_seeds_that_agree_on_all_examples_are_still_seeds() -> None:
    """A network that answers every example right with both seeds is not a model without a seed."""
    right = ExampleScores("ratio", "source", np.array([[1.0, 1.0], [0.0, 1.0]]))
    scores = model_scores("gru", [0.5, 0.5], [right, right])
    assert not scores.deterministic
    assert scores.examples is not None
    assert scores.examples.shape == (2, 2)


def test_columns_without_a_value_are_left_out() -> None:
    rows = [row("a", [5.0, 5.1]), row("b", [6.0, 6.1])]
    assert any("bits" in heading for heading in table(rows, "test perplexity")[0])
    without = [replace(each, bits_per_byte=None) for each in rows]
    headings, *cells = table(without, "test exact_match")
    assert headings[1] == "test\nexact match"
    assert not any("bits" in heading for heading in headings)
    assert {len(line) for line in cells} == {len(headings)}
    assert "bits" not in scoreboard(without, "test exact_match")
    one_of_two = [without[0], rows[1]]
    assert "–" in table(one_of_two, "test perplexity")[1]


def test_equal_scores_and_a_single_model() -> None:
    assert "tie" in said_of(scored("a", [5.0, 5.1]), scored("b", [5.0, 5.1]))
    assert "only one model" in said_of(scored("a", [5.0]))


def test_a_model_with_too_little_processor_time_is_named() -> None:
    assert "b got less than 80 %" in notes([row("a", [5.0, 5.1]), row("b", [6.0, 6.1])], "line", ["b"])[-1]


def test_five_identical_models_tie_on_whole_boards() -> None:
    """Through the sentences that are printed, two seeds and a small test set."""
    rng, ties = np.random.default_rng(8), 0
    for _ in range(100):
        ease = rng.beta(2, 1, size=(1, 50))
        values = [(rng.random((2, 50)) < ease).astype(float) for _ in range(5)]
        models = [ModelScores(f"m{i}", value.mean(1).tolist(), value) for i, value in enumerate(values)]
        models.sort(key=lambda scores: -scores.mean)
        ties += not any(
            difference.told_apart for difference in to_leader(pairwise(models, lower_is_better=False), models)
        )
    assert ties >= 95


def test_scores_that_cannot_be_compared_give_no_differences_and_no_order() -> None:
    models = {name: scored(name, scores) for name, scores in (("a", [5.0, 6.0]), ("b", [7.0, 8.0]))}
    curves = [[[(s, 5.0 + s / 100) for s in range(1, 9)]], [[(s, 90.0 / s) for s in range(1, 9)]]]
    rows = [replace(row(name, list(models[name].scores)), curves=c) for name, c in zip(models, curves, strict=True)]
    results = Results([{"summary": {"lower_is_better": True, "score": "perplexity"}}], models, rows, "line", 400)
    terms = {"task": "vectors", "budget": {"updates": 1}}
    facts = {name: ModelFacts(model, {}) for name, model in (("a", "cbow"), ("b", "skipgram"))}
    apart = make_report(results, terms, "seqloom", facts)
    assert apart["verdict"].startswith("No verdict: cbow")
    assert (apart["differences"], apart["pairs"]) == ([], [])
    assert "answers" not in apart
    (improving,) = apart["warnings"]
    assert "b (−" in improving
    assert "come first" not in improving
    alike = make_report(results, terms, "seqloom", {name: ModelFacts("cbow", {}) for name in facts})
    assert len(alike["differences"]) == 1
    assert "come first" in alike["warnings"][-1]


def test_differences_come_back_from_json() -> None:
    for difference in pairwise([scored("a", [5.0, 6.0]), scored("b", [7.0, 8.0])], True):
        assert Difference.from_json(json.loads(json.dumps(difference.to_json()))) == difference


def test_a_row_comes_back_from_json() -> None:
    original = row("a", [5.0, 6.0])
    assert Row.from_json(original.to_json()) == original


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_page_escapes_everything(seeds: int) -> None:
    rows = [row(EVIL, [5.0 + k for k in range(seeds)]), row("b", [7.0] * seeds, counts=True)]
    page = report_page(report(rows))
    expected = (["differences"] if seeds > 1 else []) + ["learning", "time", "size", "memory", "latency"]
    assert [figure.name for figure in page.figures] == expected
    html = page.html()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_the_learning_curves_hold_every_evaluation() -> None:
    page = report_page(report([row("a", [5.0, 6.0]), row("b", [7.0, 8.0], counts=True)]))
    figures = {figure.name: figure for figure in page.figures}
    assert len(figures["learning"].table.rows) == 2 * 2 + 2
    assert [line[0] for line in figures["size"].table.rows] == ["a", "b"]
    assert "seconds of training" in figures["learning"].label


def test_the_interval_of_a_score_that_is_never_negative_stays_above_zero() -> None:
    figures = {f.name: f for f in report_page(report([row("a", [1.0, 9.0]), row("b", [5.0, 5.5])])).figures}
    assert figures["size"].table.rows[0][3] == "0"


def test_the_pareto_front() -> None:
    costs, scores = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 1.0}, {"a": 9.0, "b": 9.5, "c": 5.0, "d": 9.9}
    assert pareto_front(costs, scores, lower_is_better=True) == ["a", "c"]
    assert pareto_front(costs, scores, lower_is_better=False) == ["d"]


def test_tables_for_documents_escape_their_text() -> None:
    rows = [row("lstm|x_1", [5.0, 6.0]), row("b", [7.0, 7.5])]
    content = {**report(rows), "warnings": ["50 % of it"]}
    assert "| lstm\\|x_1 |" in markdown_table(content, rows)
    table = latex_table(content, rows)
    assert r"lstm|x\_1 & 5.500 $\pm$" in table
    assert table.count(r" \\") == 3


def test_the_worst_examples_stand_beside_both_answers() -> None:
    content = report([row("a", [5.0, 6.0]), row("b", [7.0, 7.5])])
    answers = {"input": EVIL, "expected": "yes", "answers": ["no", "yes"], "losses": [1.0, 0.0]}
    content["worst_examples"] = {"models": ["a", "b"], "metric": "accuracy", "rows": [answers]}
    html = report_page(content).html()
    assert "The worst examples of a" in html
    assert "<td>no</td><td>yes</td>" in html
    assert EVIL not in html


def test_of_answers_with_as_many_words_as_expected_the_wrong_ones_are_bold() -> None:
    content = report([row("a", [1.0, 1.1]), row("b", [2.0, 2.1])])
    answers = {"input": "a <dog>", "expected": "a/DET <dog>/N", "answers": ["a/DET <dog>/V", "dog/N"], "losses": [1, 1]}
    content["worst_examples"] = {"models": ["a", "b"], "metric": "accuracy", "rows": [answers]}
    html = report_page(content).html()
    assert "<td>a/DET <b>&lt;dog&gt;/V</b></td><td>dog/N</td>" in html
