"""`seqloom` on sequences of numbers with a tag for each step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.tagged_numbers import draw_levels, shared_levels_run, write_levels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_levels_run(tmp_path_factory, model="lstm")


def test_step_by_step_is_the_whole_at_once(run: seqloom.Run, cli: CommandLine) -> None:
    numbers, _ = draw_levels(1, 5)[0]
    lines = "".join(f"{level},{noise}\n" for level, noise in numbers.tolist())
    status, output, _ = cli("predict", run.folder, "--online", standard_input=lines)
    assert status == 0
    assert output.split() == run.predict([numbers])[0].split()


def test_the_command_line_writes_a_line_for_each_step(run: seqloom.Run, cli: CommandLine, tmp_path: Path) -> None:
    path = write_levels(tmp_path / "d.csv", sequences=2)
    _, plain, _ = cli("predict", run.folder, path)
    blocks = plain.strip().split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [len(tags) for _, tags in draw_levels(2, 1)]
    _, output, _ = cli("predict", run.folder, path, "--json")
    first = json.loads(output.splitlines()[0])
    assert first["answers"][0]["tags"] == blocks[0].splitlines()


def test_a_report_names_the_steps(run: seqloom.Run, cli: CommandLine, tmp_path: Path) -> None:
    path = write_levels(tmp_path / "f.csv", sequences=20, seed=9)
    status, _, _ = cli("evaluate", run.folder, path, "--report", tmp_path / "r.html")
    assert status == 0
    assert (tmp_path / "r.html").stat().st_size > 1_000
    examples = run.task.show_examples(run.trained, run.read(path), [0, 3])  # type: ignore[attr-defined]
    assert examples[1].input.startswith("sequence 4, ")
    assert "/high" in examples[0].expected + examples[1].expected


def test_it_has_no_page_and_says_so(run: seqloom.Run, cli: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    status, _, errors = cli("export", run.folder, "--to", "web", tmp_path / "page.html")
    assert status == 2
    assert "no page for a tagger of numbers" in errors
