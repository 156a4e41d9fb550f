"""What the table of formats promises is there: every layer has a builder, and every model of a task a format."""

from __future__ import annotations

import pytest
from typer.main import get_command

from seqloom.cli.main import app
from seqloom.export import exporters
from seqloom.export.int8_loss import SCORES
from seqloom.export.supported import FORMATS, condition, exportable
from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.layers import run_layer, state_of
from seqloom.nn.layer import SequenceLayer, layers
from seqloom.tasks import tasks


def test_the_table_and_the_help_have_every_format() -> None:
    assert set(FORMATS) == set(exporters)
    (help_text,) = (option.help for option in get_command(app).commands["export"].params if option.name == "to")  # type: ignore[attr-defined]
    assert [name for name in exporters if name not in help_text] == []


@pytest.mark.parametrize("name", list(layers))
def test_every_registered_layer_has_a_builder(name: str) -> None:
    for function in (state_of, run_layer):
        assert function.dispatch(layers[name]) is not function.dispatch(SequenceLayer)


def test_every_model_of_every_task_leaves() -> None:
    assert set(exportable("onnx")) == {(task, model) for task in tasks for model in tasks[task].models()}


def test_the_loss_of_8_bit_weights_is_measured_for_every_task_with_networks() -> None:
    assert set(SCORES) == set(tasks) - {"vectors"}


def test_conditions_name_settings() -> None:
    assert condition("ctranslate2", "translate", "transformer") == "output.kind=full"
    assert condition("ctranslate2", "translate", "lstm+attention") is None
    assert condition("web", "classify", "bow") is None
    assert all(condition(name, "nothing", "nothing") is None for name in FORMATS if name != "arpa")
