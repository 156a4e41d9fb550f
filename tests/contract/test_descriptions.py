"""What a user chooses by name is described in one full sentence of at most 90 characters, with its paper beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from seqloom.data.readers import readers
from seqloom.export import exporters
from seqloom.nn.layer import layers
from seqloom.nn.recurrence.cell import cells
from seqloom.registry import Description, Registry
from seqloom.tasks import tasks

REGISTRIES: list[Registry[Any]] = [tasks, layers, cells, readers, exporters]
DESCRIPTIONS = {
    **{f"{registry.kind} {name}": registry.describe(name) for registry in REGISTRIES for name in registry},
    **{f"model {task} {model}": tasks[task].describe(model) for task in tasks for model in tasks[task].models()},
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_is_a_sentence_and_a_source_a_paper(name: str) -> None:
    text, source = DESCRIPTIONS[name]
    assert re.fullmatch(r"[A-Z].* .*[^.]\.", text)
    assert len(text) <= 90
    assert not re.search(r"\d{4}|et al", text), "a citation belongs to the source"
    for paper in filter(None, source.split("; ")):
        assert re.fullmatch(r"\D+ (19|20)\d\d", paper)


def test_models_that_are_no_layers_are_described() -> None:
    own = {"classify bow", "classify lstm+attention", "translate lstm+attention", "language-model mix", "vectors cbow"}
    assert {f"model {name}" for name in own} <= set(DESCRIPTIONS)
    assert DESCRIPTIONS["model classify ffnn"] != DESCRIPTIONS["model language-model ffnn"]


def test_a_function_is_described_where_it_is_registered() -> None:
    assert readers.describe("lines") == Description(
        "Text, a sentence or paragraph on each line; or a column of a table."
    )
    assert layers.describe("gru").source == "Cho et al. 2014"


@pytest.mark.parametrize("task", list(tasks))
def test_the_default_model_is_one_of_the_task(task: str) -> None:
    assert tasks[task].default_model in tasks[task].models()
