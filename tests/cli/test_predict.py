"""`seqloom predict` whatever the task: what is asked, how answers are shown, one element at a time; and reports."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import seqloom
import seqloom.run
from seqloom.errors import RequestError
from seqloom.files import read_lines
from seqloom.metrics.classification import Confusion, Diagnosis, Mistake
from tests.support.command_line import CommandLine
from tests.support.pairs import shared_pairs_run


class Label(NamedTuple):
    text: str
    probability: float

    @property
    def score(self) -> float:
        return self.probability

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


class Labeller:
    """Stands for a run: says of a line whether it is long, and keeps what it was asked."""

    folder = Path("runs/labeller")
    plan = type("Plan", (), {"task": "classify", "model": "bow"})
    task = None

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def inputs(self, path: str, columns: Any = None) -> Iterator[str]:  # noqa: ARG002
        return (line.strip() for line in read_lines(path))

    def answers(self, inputs: Sequence[str], **asked: Any) -> Iterator[list[Label]]:
        self.asked = asked
        for line in inputs:
            found = [Label("long", 0.75), Label("short", 0.25)]
            yield found if len(line) > 3 else [one._replace(text=other.text) for one, other in zip(found, found[::-1])]  # noqa: B905

    def online(self) -> Callable[[str], str]:
        seen: list[str] = []

        def answer(word: str) -> str:
            if not word:  # the end of a sequence
                seen.clear()
                return ""
            seen.append(word)
            return f"{word}/{len(seen)}"

        return answer

    def read(self, path: str, columns: Any = None) -> str:  # noqa: ARG002
        return path

    def evaluate(self, data: str) -> dict[str, Any]:  # noqa: ARG002
        return {"accuracy": 0.5}

    def diagnose(self, data: str) -> Diagnosis:  # noqa: ARG002
        confusion = Confusion.of(["long", "short"], ["long", "long"])
        mistakes = [Mistake("a <b>", "short", "long", 0.9)]
        return Diagnosis({"accuracy": 0.5}, confusion.classes(), confusion, mistakes, [])


@pytest.fixture
def labeller(monkeypatch: pytest.MonkeyPatch) -> Labeller:
    stand_in = Labeller()
    monkeypatch.setattr(seqloom.run, "load", lambda *_, **__: stand_in)
    return stand_in


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


def test_only_what_was_given_is_asked(cli: CommandLine, labeller: Labeller, tmp_path: Path) -> None:
    assert cli("predict", "RUN", standard_input="a\n").output == "short\n"
    assert labeller.asked == {}
    cli("predict", "RUN", "--n-best", 2, "--proba", "--seed", 3, "--beam-size", 0, standard_input="a\n")
    assert labeller.asked == {"n_best": 2, "proba": True, "seed": 3, "beam_size": 0}
    cli("predict", "RUN", "--sample", "--top-k", 4, "--alignments", tmp_path / "a.json", standard_input="a\n")
    assert labeller.asked == {"sample": True, "top_k": 4, "attention": True}


def test_how_answers_are_shown(cli: CommandLine, labeller: Labeller) -> None:  # noqa: ARG001
    text = "a\nabcd\n"
    shown = [cli("predict", "RUN", *options, standard_input=text).output for options in (["--proba"], ["--n-best", 2])]
    assert shown[0] == "short=0.7500\tlong=0.2500\nlong=0.7500\tshort=0.2500\n"
    assert shown[1].splitlines()[1:3] == ["1\t0.2500\tlong", "2\t0.7500\tlong"]
    as_json = cli("predict", "RUN", "--json", standard_input="abcd").output
    assert as_json.startswith('{"line": 1, "answers": [{"text": "long", "probability": 0.75}, ')


def test_a_word_is_answered_at_a_time(cli: CommandLine, labeller: Labeller) -> None:  # noqa: ARG001
    assert cli("predict", "RUN", "--online", standard_input="a\nb\n\nc\n").output == "a/1\nb/2\n\nc/1\n"
    status, _, errors = cli("predict", "RUN", "--online", "--proba", "--json", standard_input="a\n")
    assert status == 2
    assert "proba, json" in errors


def test_a_report(cli: CommandLine, labeller: Labeller, tmp_path: Path) -> None:  # noqa: ARG001
    status, output, errors = cli("evaluate", "RUN", "data.tsv", "--report", tmp_path / "report.html")
    assert (status, output) == (0, "accuracy  0.5000\n"), errors
    page = (tmp_path / "report.html").read_text()
    assert "Mistakes of bow" in page
    assert "data.tsv" in page
    assert "a &lt;b&gt;" in page


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["predict", "--proba"], ["no option named 'proba'", "of a run of translate"]),
        (["predict", "--temperature", "2"], ["temperature", "--sample"]),
        (["predict", "--online"], ["a run of translate cannot answer element by element"]),
        (["predict", "--alignments", "a.html"], ["no attention to show"]),
        (["evaluate", "PAIRS", "--report", "a.html"], ["a run of translate cannot be diagnosed"]),
    ],
)
def test_what_a_translator_does_not_know(
    command: list[str], says: list[str], cli: CommandLine, pairs_run: seqloom.Run
) -> None:
    name, *options = (pairs_run.folder.parent / "pairs.tsv" if part == "PAIRS" else part for part in command)
    status, _, errors = cli(name, pairs_run.folder, *options, standard_input="a b\n")
    assert status == 2
    assert all(part in errors for part in says), errors


def test_python_says_what_can_be_asked(pairs_run: seqloom.Run) -> None:
    """Options stand in the signatures, so that editors complete them; those of other tasks are refused by name."""
    of_texts, of_answers = (inspect.signature(method).parameters for method in (pairs_run.predict, pairs_run.answers))
    assert {"beam_size"} < of_texts.keys() < of_answers.keys()
    with pytest.raises(RequestError, match="no option named 'proba'"):
        pairs_run.answers(["a b"], proba=True)


def test_a_misspelt_option_is_refused(pairs_run: seqloom.Run) -> None:
    options: dict[str, Any] = {"beam_sise": 3}
    for method in (pairs_run.predict, pairs_run.answers):
        with pytest.raises(RequestError, match="did you mean 'beam_size'"):
            method(["a b"], **options)
