"""Examples of one group stay on one side of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.comparison.examples import read_example_scores, save_example_scores
from seqloom.data.corpus import Corpus, Sources, prepare
from seqloom.data.survey.survey import survey
from seqloom.data.tables.columns import parse_columns
from seqloom.errors import RequestError
from seqloom.metrics.example_scores import ExampleScores
from seqloom.run.plan import make_settings
from seqloom.tasks import tasks

GROUPS, FORMS = 40, 5
ROWS = [
    (f"source {group} {form}", f"target {form % 2}", f"g{group}") for group in range(GROUPS) for form in range(FORMS)
]


def table_of(rows: Iterable[tuple[str, ...]], folder: Path, header: str = "source,target,group") -> str:
    path = folder / "data.csv"
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n", encoding="utf-8")
    return str(path)


def prepared(task: str, data: str, columns: str, cache: Path, **split: Any) -> Corpus[Any, Any]:
    settings: Any = make_settings(
        task, "lstm+attention" if task == "translate" else "lstm", {"data.columns": columns}, data
    )
    return prepare(Sources(data, **split), tasks[task].recipe(settings), cache)


def texts_of_pairs(data: Any) -> list[str]:
    return [pair.source for pair in data.pairs]


def texts_of_labelled(data: Any) -> list[str]:
    return [line.split("\t")[1] for line in data.text.read_text(encoding="utf-8").splitlines()]


TASKS: dict[str, tuple[str, Callable[[Any], list[str]]]] = {
    "translate": ("source=source,target=target,group=group", texts_of_pairs),
    "classify": ("text=source,label=target,group=group", texts_of_labelled),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", [{}, {"split_seed": 3}, {"folds": 4, "fold": 2}])
def test_no_group_is_on_two_sides(task: str, split: dict[str, int], tmp_path: Path) -> None:
    columns, texts = TASKS[task]
    corpus = prepared(task, table_of(ROWS, tmp_path), columns, tmp_path / "cache", **split)
    parts = [{text.split()[1] for text in texts(part)} for part in (corpus.train, corpus.valid, corpus.test)]
    assert sum(map(len, parts)) == GROUPS
    assert len(set.union(*parts)) == GROUPS
    assert sum(len(texts(part)) for part in (corpus.train, corpus.valid, corpus.test)) == len(ROWS)


@pytest.mark.parametrize("task", TASKS)
def test_without_groups_they_are_divided(task: str, tmp_path: Path) -> None:
    columns, texts = TASKS[task]
    corpus = prepared(task, table_of(ROWS, tmp_path), columns.removesuffix(",group=group"), tmp_path / "cache")
    train, test = ({text.split()[1] for text in texts(part)} for part in (corpus.train, corpus.test))
    assert train & test


@pytest.mark.parametrize("task", TASKS)
def test_rows_without_a_group_are_on_their_own(task: str, tmp_path: Path) -> None:
    rows = [(*row[:2], "" if number % 2 else "one") for number, row in enumerate(ROWS)]
    columns, texts = TASKS[task]
    corpus = prepared(task, table_of(rows, tmp_path), columns, tmp_path / "cache")
    held_out = {text for part in (corpus.valid, corpus.test) for text in texts(part)}
    grouped = {row[0] for row in rows if row[2]}
    assert held_out
    assert not held_out & grouped


@pytest.mark.parametrize("task", TASKS)
def test_a_column_without_a_group_is_an_error(task: str, tmp_path: Path) -> None:
    columns = TASKS[task][0]
    for rows, header in (
        ([(*row[:2], "") for row in ROWS], "source,target,group"),
        ([row[:2] for row in ROWS], "source,target"),
    ):
        with pytest.raises(RequestError, match="no example has a group"):
            prepared(task, table_of(rows, tmp_path, header), columns, tmp_path / "cache")


def test_a_misspelt_name_is_an_error_though_another_column_could_be_the_group(tmp_path: Path) -> None:
    data = table_of(ROWS, tmp_path, "source,target,lemma")
    with pytest.raises(RequestError, match="no example has a group"):
        prepared("translate", data, "source=source,target=target,group=lema", tmp_path / "cache")


def test_columns_by_number_skip_the_header(tmp_path: Path) -> None:
    corpus = prepared("translate", table_of(ROWS, tmp_path), "source=1,target=2,group=3", tmp_path / "cache")
    assert sum(len(texts_of_pairs(part)) for part in (corpus.train, corpus.valid, corpus.test)) == len(ROWS)


@pytest.mark.parametrize("task", TASKS)
def test_a_survey_divides_by_group(task: str, tmp_path: Path) -> None:
    data, columns = table_of(ROWS, tmp_path), parse_columns(TASKS[task][0])
    result = survey(data, columns)
    corpus = prepared(task, data, TASKS[task][0], tmp_path / "cache")
    sizes = ", ".join(f"{name} {len(TASKS[task][1](getattr(corpus, name)))}" for name in ("train", "valid", "test"))
    assert result.facts["split"] == f"{sizes} (by group)"


def test_numbers_have_no_groups(tmp_path: Path) -> None:
    data = table_of([("1", "2", "a", "7")] * 30, tmp_path, "x,y,label,who")
    with pytest.raises(RequestError, match="examples of numbers have no groups"):
        prepared("classify", data, "label=label,group=who", tmp_path / "cache")


def test_a_run_reads_files_without_the_group(tmp_path: Path) -> None:
    run = seqloom.train(
        "translate", table_of(ROWS, tmp_path), model="lstm", columns=parse_columns(TASKS["translate"][0]), updates=2,
        out=tmp_path / "run", quiet=True,
    )  # fmt: skip
    (tmp_path / "new.csv").write_text("source,target\nsource 1 1,target 1\n", encoding="utf-8")
    assert run.evaluate(str(tmp_path / "new.csv"))["pairs"] == 1


@pytest.mark.parametrize("task", TASKS)
def test_groups_are_stored_with_the_examples(task: str, tmp_path: Path) -> None:
    columns, _ = TASKS[task]
    rows = [(*row[:2], "" if number % 7 == 0 else row[2]) for number, row in enumerate(ROWS)]
    data = table_of(rows, tmp_path)
    part = prepared(task, data, columns, tmp_path / "cache", valid=data).valid
    stored = part.groups_of_sources if task == "translate" else part.groups
    assert stored == [group for _, _, group in rows]
    without = prepared(task, data, columns.removesuffix(",group=group"), tmp_path / "cache", valid=data).valid
    assert (without.groups_of_sources if task == "translate" else without.groups) is None


def test_scores_of_groups_are_saved_with_those_of_examples(tmp_path: Path) -> None:
    sums = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    scores = ExampleScores("ratio", "example", sums, groups=["a", "", "a", ""])
    save_example_scores(scores, tmp_path / "scores.npz")
    saved = read_example_scores(tmp_path / "scores.npz")
    assert saved is not None
    assert saved.by_group().sums.tolist() == [[2.0, 2.0], [0.0, 1.0], [1.0, 1.0]]
    assert saved.by_group().value == saved.value == scores.value
