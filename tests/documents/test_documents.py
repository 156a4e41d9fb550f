"""The documents: links lead somewhere, and the commands, settings and make targets that they name exist."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import typer

from seqloom.cli.main import app
from seqloom.config import Settings, full_name
from seqloom.errors import RequestError
from seqloom.run.plan import settings_type
from seqloom.tasks import tasks

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_relative_links_exist(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:torchrun .* -m )?seqloom ([a-z-]+)", text, flags=re.MULTILINE))
    assert named <= COMMANDS


def test_the_readme_shows_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^seqloom ([a-z-]+)", readme, flags=re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_settings_exist(document: Path) -> None:
    """`--set NAME=VALUE`, and `NAME=VALUE` in code where the name has a dot, is a setting of some task and model."""
    text = document.read_text(encoding="utf-8")
    asked = set(re.findall(r"--set (?:[a-z+]+:)?([a-z][a-z_.]*)=", text))
    asked |= set(re.findall(r"`([a-z_]+\.[a-z_.]+)=", text))
    kinds = [settings_type(task, model) for task in tasks for model in tasks[task].models()]
    assert not [setting for setting in asked if not any(map(partial(is_setting, setting), kinds))]


def is_setting(name: str, kind: type[Settings]) -> bool:
    try:
        return bool(full_name(kind, name))
    except RequestError:
        return False


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"^make ([a-z-]+)", document.read_text(encoding="utf-8"), flags=re.MULTILINE)) <= targets


def test_no_benchmark_needs_an_option() -> None:
    """`make bench` gives none, and ends at the first script that refuses to start."""
    scripts = ROOT.glob("benchmarks/*.py")
    assert [script.name for script in scripts if "required=True" in script.read_text(encoding="utf-8")] == []
