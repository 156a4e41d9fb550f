"""docs/questions.md: its figures show the results that are recorded, and it uses every experiment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import seqloom

ROOT = Path(__file__).resolve().parents[2]
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "questions.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")


@pytest.fixture
def _documents_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for module in ("answers", "generated"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.usefixtures("_documents_on_path")
def test_figures_are_drawn_from_the_results() -> None:
    import answers

    assert answers.charts()
    assert [name for name in answers.charts() if not answers.is_current(name)] == []


@pytest.mark.usefixtures("_documents_on_path")
def test_a_claim_that_the_results_do_not_show_is_refused() -> None:
    import answers

    contrast = next(c for answer in RESULTS.values() for c in answer["contrasts"] if c["told_apart"])
    name = next(name for name, answer in RESULTS.items() if contrast in answer["contrasts"])
    better, worse = contrast["better"], contrast["worse"]
    assert f"| {better} |" in answers.evidence(name, better=[(better, worse)])
    with pytest.raises(ValueError, match="do not say this"):
        answers.evidence(name, better=[(worse, better)])
    with pytest.raises(ValueError, match="do not say this"):
        answers.evidence(name, ties=[(better, worse)])


def test_every_experiment_is_on_the_page() -> None:
    assert [name for name in RESULTS if f'("{name}"' not in PAGE] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::seqloom.errors.SeqloomWarning")  # two updates are too few, as some warnings say
@pytest.mark.parametrize("name", RESULTS)
def test_an_experiment_still_runs(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its settings are accepted and its answer is computed, here of trainings that end after two updates."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from answer_questions import EXPERIMENTS

    train, budgets = seqloom.train, {"minutes", "epochs", "sequences", "updates"}

    def train_shortly(task: str, data: str, *, model: str, **options: Any) -> seqloom.Run:
        has_updates = task != "vectors" and model not in ("ngram", "mix")
        budget: dict[str, Any] = {"updates": 2} if has_updates else {"epochs": 1}
        others = {name: value for name, value in options.items() if name not in budgets}
        return train(task, data, model=model, **others, **budget)

    monkeypatch.setattr(seqloom, "train", train_shortly)
    answer = EXPERIMENTS[name](tmp_path).to_json()
    assert [row["label"] for row in answer["rows"]] == [row["label"] for row in RESULTS[name]["rows"]]
