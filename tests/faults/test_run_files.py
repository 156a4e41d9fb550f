"""Broken files of runs, asked by the commands that read them: an answer, or one message and an exit status."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from seqloom.cli.main import main
from seqloom.tasks import tasks
from tests.faults.campaign import HANG_SECONDS, campaign, in_child, rounds
from tests.faults.mutation import mutated
from tests.support.small_tasks import SMALL_TASKS

NAMES = list(tasks)
COMMANDS = {
    "language-model": [
        "evaluate RUN DATA",
        "score RUN DATA",
        "generate RUN --max-tokens 5",
        "embed RUN DATA --out OUT",
    ],
    "translate": ["evaluate RUN DATA", "score RUN DATA", "predict RUN DATA --beam-size 2"],
    "classify": ["evaluate RUN DATA", "predict RUN DATA --proba", "embed RUN DATA --out OUT"],
    "tag": ["evaluate RUN DATA", "predict RUN DATA"],
    "vectors": ["evaluate RUN DATA", "vectors RUN similar w1", "embed RUN DATA --out OUT"],
    "algorithm": ["evaluate RUN copy:length=4"],
}
_STATUSES = (0, 1, 2, 130)


def command(text: str, places: dict[str, object], errors: Path) -> int:
    """Runs `seqloom` in this process, which is one of its own."""
    places = {name: str(place) for name, place in places.items()}
    sys.argv = ["seqloom", *(str(places.get(word, word)) for word in text.split())]
    with errors.open("w") as stream, open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(stream.fileno(), 2)
        os.dup2(nothing.fileno(), 1)
        signal.alarm(3 * HANG_SECONDS)
        with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(stream):
            try:
                main()
            except SystemExit as left:
                return int(left.code or 0)
    return 0


@pytest.mark.parametrize("name", NAMES)
def test_broken_runs_are_answered_or_refused(name: str, tmp_path: Path) -> None:
    small, chance, before = SMALL_TASKS[name], campaign.random(f"run {name}"), len(campaign.failures)
    data, good, broken = small.data(tmp_path), tmp_path / "good", tmp_path / "broken"
    assert in_child(lambda: int(not small.train(name, data, good).folder.exists())) == 0
    files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
    contents = [(good / path).read_bytes() for path in files]
    resume = [f"train {name} DATA --model {small.model} --resume --out RUN"]
    for _ in rounds(0.35 / len(NAMES)):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(good, broken)
        number = chance.randrange(len(files))
        content = mutated(contents[number], chance, contents)
        (broken / files[number]).write_bytes(content)
        asked = chance.choice(COMMANDS.get(name, ["evaluate RUN DATA"]) + resume)
        errors = tmp_path / "errors"
        places = {"RUN": broken, "DATA": data, "OUT": tmp_path / "out.npy"}
        status = in_child(lambda asked=asked, places=places, to=errors: command(asked, places, to), 3 * HANG_SECONDS)
        text = errors.read_text(errors="replace") if errors.exists() else ""
        _count(f"{asked} with {files[number]}", status, text, content)
    campaign.check(before)


def _count(what: str, status: int, text: str, content: bytes) -> None:
    campaign.counts["inputs"] += 1
    campaign.counts["refused"] += status in (1, 2)
    if status in (-signal.SIGALRM, -signal.SIGKILL):
        campaign.fail("hangs", what, content)
    elif "Traceback" in text or status not in _STATUSES:
        places = re.findall(r'File "([^"]+)", line (\d+)', text)
        last = text.strip().splitlines()[-1:] or [""]
        place = f"{Path(places[-1][0]).name}:{places[-1][1]}" if places else ""
        campaign.fail("crashes" if status < 0 else "tracebacks", f"{what}: {status} {place} {last[0]}"[:300], content)
