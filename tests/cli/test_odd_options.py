"""Options that nobody means: each is answered or refused in words, and no command ends in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from seqloom.data.tokenizer import EOS
from seqloom.decoding.scoring import score_lines
from seqloom.errors import RequestError, SeqloomError
from seqloom.memory import check_memory
from tests.support.command_line import CommandLine
from tests.support.pairs import shared_pairs_run
from tests.support.texts import write_text


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


LONG = "9" * 5_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", f"model.hidden_size={LONG}"], "model.hidden_size"),
        (["--set", f"model.hidden_size={'[' * 3_000}{']' * 3_000}"], "model.hidden_size"),
        (["--set", "model.hidden_size={a={b={c=1}}}"], "model.hidden_size"),
        (["--set", f"{'a.' * 3_000}b=1"], "no setting"),
        (["--set", f"training.learning_rate={'1' * 400}"], "training.learning_rate"),
        (["--model", "mix", "--set", "model.parts=3"], "parts"),
        (["--model", "mix", "--set", "model.parts=[1, 2]"], "parts"),
        (["--seed", "12345678901234567890"], "seed"),
        (["--threads", "100000"], "threads"),
        (["--out", f"{'a' * 10_000}"], "long"),
        (["--out", "caf\udce9"], "not UTF-8"),
        (["--valid", "caf\udce9.txt"], "not UTF-8"),
    ],
)
def test_training_refuses_in_words(arguments: list[str], says: str, cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    status, output, errors = cli("train", "language-model", text, "--updates", "1", *arguments)
    assert (status, output) == (2, ""), errors
    assert errors.startswith("seqloom: ")
    assert says in errors
    assert len(errors) < 40_000


@pytest.mark.parametrize(
    "arguments",
    [
        ["--beam-size", "100000"],
        ["--beam-size", "0"],
        ["--n-best", LONG],
        ["--length-penalty", "1e308"],
        ["--max-length", LONG],
        ["--sample", "--temperature", "1e308"],
        ["--sample", "--temperature", "nan"],
        ["--sample", "--seed", "12345678901234567890"],
        ["--sample", "--n-best", "100000000"],
        ["--prefix", "\udce9"],
        ["--threads", "100000"],
    ],
)
def test_predict_refuses_in_words(arguments: list[str], cli: CommandLine, pairs_run: seqloom.Run) -> None:
    status, output, errors = cli("predict", pairs_run.folder, *arguments, standard_input="a b\n")
    assert (status, output) == (2, ""), errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["--temperature", "1e308"],
        ["--temperature", "-1"],
        ["--top-p", "1e308"],
        ["--top-k", "-5"],
        ["--seed", "12345678901234567890"],
        ["--prompt", "\udce9"],
        ["--max-tokens", "-1"],
        ["--max-tokens", "99999999999999999999"],
    ],
)
def test_generate_refuses_in_words(arguments: list[str], cli: CommandLine, run: seqloom.Run) -> None:
    status, output, errors = cli("generate", run.folder, *arguments)
    assert (status, output) == (2, ""), errors


def test_the_largest_length_penalty_ranks_still(pairs_run: seqloom.Run) -> None:
    (answers,) = pairs_run.answers(["a b c"], length_penalty=10, beam_size=3, n_best=3, max_length=40)
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    assert all(score < 0 for score in scores)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_a_full_disk_behind_standard_output(command: str, run: seqloom.Run) -> None:
    text = run.folder.parent / "text.txt"
    line = f"{sys.executable} -m seqloom {command} {run.folder} {text} --threads 1 > /dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_names_that_are_not_utf_8_are_read(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.txt"
    path.write_text("w1 w2\n")
    status, output, errors = cli("score", run.folder, str(path))
    assert status == 0, errors
    assert output.count("\n") == 1


def test_memory_is_asked_for_before_it_is_taken() -> None:
    check_memory(1_000, {"beam_size": 1})
    with pytest.raises(SeqloomError, match="not enough memory") as refused:
        check_memory(10**18, {"beam_size": 10_000})
    assert refused.value.got == "beam_size=10000"


def test_a_line_longer_than_a_batch_is_scored_in_parts(run: seqloom.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the state carried, so that the memory does not grow with the line."""
    line = [4 + i % 9 for i in range(9_000)]
    (whole,) = score_lines(run.model, [line], EOS)
    seen = []
    log_prob = type(run.model).log_prob

    def record(self: object, inputs: object, *others: object) -> object:
        seen.append(inputs.shape[1])  # type: ignore[attr-defined]
        return log_prob(self, inputs, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(type(run.model), "log_prob", record)
    (again,) = score_lines(run.model, [line], EOS)
    assert max(seen) <= 4_096
    assert sum(seen) == len(line) + 1
    assert again == whole
    monkeypatch.setattr("seqloom.decoding.scoring._TOKENS_AT_ONCE", 10**6)
    (at_once,) = score_lines(run.model, [line], EOS)
    assert seen[-1] == len(line) + 1
    assert at_once.log_prob == pytest.approx(whole.log_prob, rel=1e-4)


def test_a_value_is_one_value() -> None:
    from seqloom.config import parse_assignments

    assert parse_assignments(["a=1\nb=2"]) == {"a": "1\nb=2"}
    with pytest.raises(RequestError):
        parse_assignments([f"a={LONG}"])
