"""Broken files of exported folders: what runs them answers as before, or refuses them with a message."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import seqloom_portable
from seqloom.errors import SeqloomError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom_portable.errors import PortableError
from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, in_child, try_inputs
from tests.faults.commands import silence
from tests.faults.kinds import KINDS
from tests.faults.mutation import mutated
from tests.support.small_tasks import SMALL_TASKS

QUESTIONS: dict[str, Any] = {
    "predict": ["the cat", "w1 w2", "Ada"],
    "score": ["the cat", "w1 w2"],
    "embed": ["the cat"],
    "similar": "the",
}
"""What is asked of every model that can answer it."""
_REFUSED = 3


class ExportedFolder:
    """The exported folder of a small run, a copy of it in which one file is broken, and what the whole one answers."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.small = name, folder, SMALL_TASKS[name]
        self.good = folder / "good"
        self.status = in_child(self._export)
        self.files = sorted(path.relative_to(self.good) for path in self.good.rglob("*") if path.is_file())
        self.contents = [(self.good / path).read_bytes() for path in self.files]

    def _export(self) -> int:
        data = self.small.data(self.folder)
        run = self.small.train(self.name, data, self.folder / "run")
        try:
            exporters["onnx"](run, self.good, ExportOptions())
        except SeqloomError:
            return _REFUSED
        (self.folder / "answers").write_text(self.answers(self.good))
        return 0

    def answers(self, folder: Path) -> str:
        model = seqloom_portable.load(folder)
        asked = {name: question for name, question in QUESTIONS.items() if hasattr(model, name)}
        answers = []
        for name, question in asked.items():
            try:
                answers.append(repr(getattr(model, name)(question)))
            except PortableError as error:
                answers.append(str(error))
        return "\n".join(answers)

    def broken(self, number: int) -> tuple[Path, bytes]:
        """The file that this input breaks, and its new content."""
        rng = random_for(f"exported {self.name}", number)
        place = rng.randrange(len(self.files))
        return self.files[place], mutated(self.contents[place], rng, self.contents)

    def answer(self, number: int) -> Answer:
        """What comes of an input, in this process, which is one of its own."""
        silence(self.folder / "errors")
        file, content = self.broken(number)
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.good, copy)
        (copy / file).write_bytes(content)
        expected = (self.folder / "answers").read_text()

        def ask() -> int:
            try:
                answers = self.answers(copy)
            except PortableError:
                return 1
            assert answers == expected, "other answers than before"
            return 0

        kind, what = answer_to(ask, sum(map(len, self.contents)))
        return kind, f"{file}: {what}"


@pytest.mark.parametrize("name", KINDS)
def test_broken_folders_are_answered_or_refused(name: str, tmp_path: Path) -> None:
    before, exported = len(campaign.failures), ExportedFolder(name, tmp_path)
    if exported.status == _REFUSED:
        pytest.skip(f"runs of {name} are not exported")
    assert exported.status == 0
    assert len(exported.files) > 1
    numbers = rounds(0.35 / len(KINDS), per_second=20)
    try_inputs(name, numbers, lambda number: exported.broken(number)[1], exported.answer)
    campaign.check(before)
