"""Every command on every kind of run: it answers, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import seqloom
from seqloom.tasks import tasks
from tests.support.command_line import CommandLine
from tests.support.labelled import train_labelled, write_series
from tests.support.pairs import train_pairs
from tests.support.ranks import write_neighbours
from tests.support.sentences import train_tagger
from tests.support.small_runs import train_small
from tests.support.sounds import train_sounds
from tests.support.texts import write_text
from tests.support.vectors_with_texts import train_scenes


def language_model(model: str) -> Callable[[Path], seqloom.Run]:
    return lambda folder: train_small(folder / "run", model=model, updates=2)


def ngram(folder: Path) -> seqloom.Run:
    text = write_text(folder / "text.txt", lines=60)
    return seqloom.train("language-model", text, model="ngram", out=folder / "run", threads=1, quiet=True)


def vectors(folder: Path) -> seqloom.Run:
    settings = {"min_count": 2, "dim": 8, "sample": 0}
    return seqloom.train(
        *("vectors", write_neighbours(folder / "text.txt")), model="skipgram", epochs=1, out=folder / "run", threads=1,
        quiet=True, settings=settings,
    )  # fmt: skip


def algorithm(folder: Path) -> seqloom.Run:
    settings = {"model.hidden_size": 8, "held_out": 4}
    return seqloom.train(
        "algorithm", "copy", model="ntm", updates=2, out=folder / "run", threads=1, quiet=True, settings=settings
    )


def forecast(folder: Path) -> seqloom.Run:
    path = folder / "series.csv"
    path.write_text("step,value\n" + "".join(f"{t},{t % 5 + 0.1 * t}\n" for t in range(60)))
    return seqloom.train("forecast", path, out=folder / "run", threads=1, quiet=True)


RUNS: dict[str, Callable[[Path], seqloom.Run]] = {
    "language-model lstm": language_model("lstm"),
    "language-model ngram": ngram,
    "vectors": vectors,
    "translate": lambda folder: train_pairs(folder / "run", updates=2),
    "classify text": lambda folder: train_labelled(folder / "run", updates=2),
    "classify bow": lambda folder: train_labelled(folder / "run", model="bow", updates=2),
    "classify series": lambda folder: train_labelled(
        folder / "run", updates=2, data=write_series(folder / "series.ts"), embedding__dim=6
    ),
    "tag": lambda folder: train_tagger(folder / "run", updates=2),
    "describe": lambda folder: train_scenes(folder / "run", updates=2),
    "transcribe": lambda folder: train_sounds(folder / "run", updates=2),
    "algorithm": algorithm,
    "forecast": forecast,
}


def asked_of(run: seqloom.Run, folder: Path) -> list[list[str]]:
    own, page = str(run.folder), str(folder / "page.html")
    data = run.plan.sources.data
    return [
        ["evaluate", own, data, "--json"],
        ["evaluate", own, data, "--by-length"],
        ["evaluate", own, data, "--report", page],
        ["evaluate", own, data, "--heads", page],
        ["score", own],
        ["score", own, data],
        ["generate", own, "--prompt", "a b", "--max-tokens", "3"],
        ["predict", own],
        ["predict", own, data],
        ["predict", own, "--proba"],
        ["predict", own, "--online"],
        ["predict", own, "--alignments", page],
        ["embed", own],
        ["embed", own, "--pooling", "last"],
        ["vectors", own, "similar", "king"],
        ["vectors", own, "map", "--out", page],
        ["vectors", own, "report", "--out", page],
        ["export", own, "--to", "arpa", str(folder / "out.arpa")],
        ["export", own, "--to", "word2vec", str(folder / "out.bin")],
        ["export", own, "--to", "onnx", str(folder / "out")],
        ["export", own, "--to", "ctranslate2", str(folder / "ctranslate2")],
        ["export", own, "--to", "web", str(folder / "out.html")],
    ]


def test_every_task_is_here() -> None:
    assert {kind.split(" ")[0] for kind in RUNS} == set(tasks)


@pytest.mark.parametrize("kind", RUNS)
def test_commands_answer_or_say_why_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command does not catch itself fails the test."""
    run, command = RUNS[kind](tmp_path), CommandLine(monkeypatch, capsys)
    answered = 0
    for arguments in asked_of(run, tmp_path):
        status, _, errors = command(*arguments, standard_input="king a b\n")
        assert status in (0, 1, 2), arguments
        answered += not status
        if status:
            assert "seqloom: " in errors, arguments
            assert "Traceback" not in errors, arguments
    assert answered >= 2
    torch.set_flush_denormal(False)
