"""Broken files of runs, asked by every command that reads them: an answer, or one message and an exit status."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, in_child, try_inputs
from tests.faults.commands import COMMANDS, call, silence
from tests.faults.kinds import KINDS
from tests.faults.mutation import mutated
from tests.support.small_runs import signal_after
from tests.support.small_tasks import SMALL_TASKS, task_of

TEMPLATES = [template for templates in COMMANDS.values() for template in templates]
_answered: dict[str, list[str]] = {}


class Asked(NamedTuple):
    """A file of the run, what is in it instead (None: it is removed), and the command."""

    file: Path
    content: bytes | None
    command: str


class BrokenRun:
    """A run of a small task, a copy of it in which one file is broken, and the commands that the whole one answers."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.small = name, folder, SMALL_TASKS[name]
        self.data, self.good = self.small.data(folder), folder / "good"
        assert in_child(self._train) == 0
        self.files = sorted(path.relative_to(self.good) for path in self.good.rglob("*") if path.is_file())
        self.contents = [(self.good / path).read_bytes() for path in self.files]
        self.commands = self.answered()

    def answered(self) -> list[str]:
        answered = self.folder / "answered"

        def ask() -> int:
            silence(self.folder / "errors")
            with answered.open("w") as stream:
                stream.writelines(f"{template}\n" for template in TEMPLATES if self.ask(template) == 0)
            return 0

        assert in_child(ask, seconds=600) == 0
        return answered.read_text().splitlines()

    def asked(self, number: int) -> Asked:
        """The input of a number."""
        rng = random_for(f"run {self.name}", number)
        place, command = rng.randrange(len(self.files)), rng.choice(self.commands)
        is_removed = rng.random() < 0.05
        content = None if is_removed else mutated(self.contents[place], rng, self.contents)
        return Asked(self.files[place], content, command)

    def answer(self, number: int) -> Answer:
        """What comes of an input, in this process, which is one of its own."""
        asked, errors = self.asked(number), self.folder / "errors"
        silence(errors)
        kind, what = answer_to(lambda: self.ask(asked.command, asked), sum(map(len, self.contents)))
        text = errors.read_text(errors="replace")
        if not kind and "Traceback" in text:
            kind, what = "tracebacks", text.strip().splitlines()[-1]
        return kind, f"{asked.command} with {asked.file}: {what}"

    def ask_all(self) -> None:
        """Asks every command about the whole run, in this process, which is one of its own."""
        silence(self.folder / "errors")
        for command in self.commands:
            self.ask(command)

    def ask(self, template: str, asked: Asked | None = None) -> int:
        broken, folder = self.copy(asked), self.folder / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        places = {"RUN": broken, "DATA": self.data, "FOLDER": folder, "PAGE": folder / "page.html"}
        places |= {"MATRIX": folder / "out.npy", "TASK": task_of(self.name), "MODEL": self.small.model}
        return call(template, places | {"OPTIONS": self.small.options(self.data)})

    def copy(self, asked: Asked | None = None) -> Path:
        """A new copy of the run in which the file is broken."""
        broken = self.folder / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(self.good, broken)
        if asked is not None and asked.content is None:
            (broken / asked.file).unlink()
        elif asked is not None:
            (broken / asked.file).write_bytes(asked.content)
        return broken

    def _train(self) -> int:
        """Stopped before its end, if it takes steps, so that there is something to resume."""
        with pytest.MonkeyPatch.context() as patch:
            signal_after(patch, updates=3)
            self.small.train(self.name, self.data, self.good)
        return 0


@pytest.mark.parametrize("name", KINDS)
def test_broken_runs_are_answered_or_refused(name: str, tmp_path: Path) -> None:
    before, run = len(campaign.failures), BrokenRun(name, tmp_path)
    _answered[name] = run.commands
    assert len(run.commands) >= 2
    numbers = rounds(0.35 / len(KINDS), per_second=8)
    try_inputs(name, numbers, lambda number: run.asked(number).content or b"", run.answer, run.ask_all)
    campaign.check(before)


def test_every_command_was_answered_by_a_run() -> None:
    if set(_answered) != set(SMALL_TASKS):
        pytest.skip("not every kind of run was tried: the campaign is short")
    answered = {command for commands in _answered.values() for command in commands}
    assert set(TEMPLATES) - answered == set()
