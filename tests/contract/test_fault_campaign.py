"""The campaign of faults knows everything that is registered: readers, tasks, commands, kinds of tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from typer.main import get_command

from seqloom.cli.main import app
from seqloom.data.readers import readers
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.export import exporters
from seqloom.tasks import tasks
from tests.faults.commands import COMMANDS, OF_OTHER_FILES
from tests.faults.samples import SAMPLES
from tests.faults.test_tokenizers import KINDS
from tests.support.small_tasks import SMALL_TASKS


def test_every_reader_has_good_files() -> None:
    assert set(SAMPLES) == set(readers), "add a small file to tests/faults/good_files/READER"
    assert all(SAMPLES.values())
    for name, files in SAMPLES.items():
        for file, content in files:
            assert len(content) < 20_000, f"{name}/{file} is large: broken files are made of it thousands of times"


def test_every_task_has_a_small_training() -> None:
    assert set(tasks) <= SMALL_TASKS.keys(), "add what is missing to tests/support/small_tasks.py"


def test_every_command_is_asked() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == COMMANDS.keys() | OF_OTHER_FILES.keys(), "add what is missing to tests/faults/commands.py"
    files = [Path(place) for place in OF_OTHER_FILES.values() if place.startswith("tests/")]
    assert all(file.is_file() and "rounds(" in file.read_text() for file in files)
    assert all(template.split()[0] == name for name, templates in COMMANDS.items() for template in templates)


def test_every_format_is_exported() -> None:
    asked = {template.partition("--to ")[2] for template in COMMANDS["export"]}
    assert asked == set(exporters), "add what is missing to tests/faults/commands.py"


def test_every_kind_of_tokenizer_is_here() -> None:
    assert set(KINDS) == set(get_args(TokenizerSettings.model_fields["kind"].annotation))
