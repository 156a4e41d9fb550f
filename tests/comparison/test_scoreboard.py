"""The table, the verdict, and the page made of them."""

from __future__ import annotations

from typing import Any

import pytest

from seqloom.comparison.report import report_page
from seqloom.comparison.scoreboard import Row, notes, scoreboard, verdict

EVIL = "<script>alert('&\"')</script>"


def row(model: str, scores: list[float], *, counts: bool = False) -> Row:
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
            },
            "metrics": []
            if counts
            else [{"seconds": s, "valid_perplexity": 9 * score / s, "epoch": s} for s in (1, 9)],
        }
        for score in scores
    ]
    return Row.of(model, "perplexity", runs, 0.5)


def report(rows: list[Row]) -> dict[str, Any]:
    return {
        "task": "language-model",
        "score": "test perplexity",
        "lower_is_better": True,
        "verdict": verdict(rows, "test perplexity", True),
        "notes": notes(rows),
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
    table = scoreboard([row("lstm", [98.0, 99.0]), row("n", [1203.0, 1205.0], counts=True)], "test perplexity")
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[3].split() == ["lstm", "98.50", "±", "6.35", "1.250", "1.2", "M", "12,346", "0.50", "512", "MB", "9.0"]
    assert lines[4].split() == ["n", "1,204", "±", "13", "1.250", "1.2", "M", "–", "0.50", "512", "MB", "–"]


def test_one_seed_has_no_interval_and_a_note() -> None:
    rows = [row("a", [5.0]), row("b", [6.0])]
    assert "5.000 ± –" in scoreboard(rows, "test perplexity")
    assert "one seed" in notes(rows)[0]
    assert "one seed cannot tell" in verdict(rows, "test perplexity", True)


def test_a_clear_winner_is_named_with_its_lead() -> None:
    said = verdict([row("a", [90.0, 90.1, 90.2]), row("b", [100.0, 100.1, 100.2])], "test perplexity", True)
    assert said.startswith("a won: its test perplexity is 10 % lower than that of b (90.10 against 100.1)")
    assert "p < 0.001" in said


def test_what_chance_could_do_is_no_win() -> None:
    rows = [row("a", [90.0, 110.0]), row("b", [91.0, 111.0]), row("c", [500.0, 500.1])]
    said = verdict(rows, "test perplexity", True)
    assert said.startswith("No clear winner")
    assert "cannot be told from b;" in said


def test_a_winner_over_the_second_names_those_that_varied_too_much() -> None:
    said = verdict([row("a", [1.0, 1.01]), row("b", [2.0, 2.01]), row("c", [1.0, 9.0])], "test perplexity", True)
    assert said.startswith("a won")
    assert "cannot be told from c" in said


def test_equal_scores_and_a_single_model() -> None:
    assert "the same" in verdict([row("a", [5.0]), row("b", [5.0])], "test perplexity", True)
    assert "alone" in verdict([row("a", [5.0])], "test perplexity", True)


def test_a_row_comes_back_from_json() -> None:
    original = row("a", [5.0, 6.0])
    assert Row.from_json(original.to_json()) == original


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_page_escapes_everything(seeds: int) -> None:
    rows = [row(EVIL, [5.0 + k for k in range(seeds)]), row("b", [7.0] * seeds, counts=True)]
    page = report_page(report(rows))
    assert [figure.name for figure in page.figures] == ["learning", "size"]
    html = page.html()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_the_learning_curves_hold_every_evaluation() -> None:
    learning, size = report_page(report([row("a", [5.0, 6.0]), row("b", [7.0, 8.0], counts=True)])).figures
    assert len(learning.table.rows) == 2 * 2 + 2
    assert [line[0] for line in size.table.rows] == ["a", "b"]
    assert "seconds of training" in learning.label


def test_the_interval_of_a_score_that_is_never_negative_stays_above_zero() -> None:
    _, size = report_page(report([row("a", [1.0, 9.0]), row("b", [5.0, 5.5])])).figures
    assert size.table.rows[0][3] == "0"
