"""The command line of exported models says what is wrong with its input or its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import seqloom_portable.__main__ as command
from seqloom_portable.language_model import LineScore
from tests.support.command_line import CommandLine


class Scorer:
    """A translator that scores pairs by the length of the target; it cannot search."""

    scores_pairs = True

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[LineScore]:
        return [LineScore(-len(target), 1, 0) for _, target in pairs]

    def predict(self, lines: Sequence[str]) -> list[str]:
        return [line.upper() for line in lines]


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "load", lambda *_: Scorer())


def test_pairs_are_divided_at_the_first_tab(portable_command: CommandLine) -> None:
    scored = portable_command("folder", "score", standard_input="a b\tcde \n\tcd\na\t\n")
    assert (scored.status, scored.output.split()) == (0, ["-3.0000", "-2.0000", "0.0000"])


def test_a_line_without_a_target_is_named(portable_command: CommandLine) -> None:
    scored = portable_command("folder", "score", standard_input="a\tb\na b\n")
    assert scored.status == 1
    assert "line 2" in scored.errors
    assert "tab" in scored.errors


def test_models_that_do_not_search_have_no_beam(portable_command: CommandLine) -> None:
    assert portable_command("folder", "predict", standard_input=" a\n").output == "A\n"
    refused = portable_command("folder", "predict", "--beam-size", 2, standard_input="a\n")
    assert refused.status == 1
    assert "--beam-size" in refused.errors


class StepTagger:
    """Tags each step by the sum of its numbers."""

    reads_steps = True

    def predict(self, sequences: Sequence[Sequence[Any]]) -> list[str]:
        return ["".join(f"{step.sum():g}\n" for step in steps) for steps in sequences]


def test_steps_stand_on_lines_and_sequences_between_empty_ones(
    portable_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load", lambda *_: StepTagger())
    tagged = portable_command("folder", "predict", standard_input="\n1,2\n3 4\n\n\n5\n")
    assert (tagged.status, tagged.output) == (0, "3\n7\n\n5\n\n")
    refused = portable_command("folder", "predict", standard_input="1,2\n3;4\n")
    assert (refused.status, "line 2" in refused.errors) == (1, True)
