"""What a user can do wrong: the exit status, and a message that says what, where, and what was expected."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.small_runs import train_small
from tests.support.texts import write_text

TINY = ["--updates", "1", "--threads", "1", "--set", "embedding.dim=8"]
TRANSFORMER = ["--model", "transformer"]


@pytest.fixture
def text(tmp_path: Path) -> str:
    return write_text(tmp_path / "text.txt", lines=60)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "lsmt"], ["no model named 'lsmt'", "did you mean 'lstm'?"]),
        (["--set", "model.hiden_size=3"], ["no setting named 'model.hiden_size'", "did you mean 'model.hidden_size'?"]),
        (["--set", "dropout=0.1"], ["is ambiguous", "model.dropout", "output.dropout"]),
        (["--set", "model.hidden_size"], ["--set", "name=value", "model.hidden_size"]),
        (["--set", "=3"], ["--set", "name=value"]),
        (["--set", "model.hidden_size=0"], ["model.hidden_size", "0", "greater than 0"]),
        (["--set", "model.hidden_size=-1"], ["model.hidden_size", "-1", "greater than 0"]),
        (["--set", f"model.hidden_size={10**9}"], ["model.hidden_size", "65536"]),
        (["--set", "model.hidden_size=big"], ["model.hidden_size", "'big'", "integer"]),
        (["--set", "model.hidden_size=[1"], ["model.hidden_size", "integer"]),
        (["--set", "tokenizer.vocab_size=3"], ["tokenizer.vocab_size", "3", "more than 4"]),
        (["--set", "tokenizer.kind=bpe", "--set", "vocab_size=200"], ["tokenizer.vocab_size", "260 or more"]),
        (["--set", "tokenizer.kind=letters"], ["tokenizer.kind", "'letters'", "'character'"]),
        (["--set", "training.learning_rate=nan"], ["training.learning_rate", "nan", "finite"]),
        (["--set", "output.dropout=1"], ["output.dropout", "less than 1"]),
        ([*TRANSFORMER, "--set", "model.window=0"], ["model.window", "without end", "data.mode=lines"]),
        ([*TRANSFORMER, "--set", "num_heads=3"], ["model", "num_heads (3)"]),
        (["--updates", "0", "--minutes", "-1"], ["minutes", "-1", "greater than or equal to 0"]),
        (["--updates", "0", "--minutes", "nan"], ["minutes", "nan", "finite"]),
        (["--minutes", "1"], ["minutes=1, updates=1", "exactly one"]),
        (["--minutes", "soon"], ["--minutes", "valid number"]),
        (["--seed", "-1"], ["seed", "-1", "0 to 2**32 - 1"]),
        (["--seed", str(2**70)], ["seed", "0 to 2**32 - 1"]),
        (["--threads", "-2"], ["threads", "-2"]),
        (["--device", "abacus"], ["device", "abacus", "cpu"]),
        (["--device", "meta"], ["device", "meta", "cpu"]),
        (["--valid", "nowhere.txt"], ["nowhere.txt", "does not exist"]),
        (["--out", "text.txt"], ["text.txt", "there is a file where"]),
        (["--out", "text.txt/below"], ["text.txt/below", "there is a file where"]),
        (["--resume"], ["--resume", "--out"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_a_wrong_request(
    arguments: list[str],
    says: list[str],
    text: str,
    cli: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output, errors = cli("train", "language-model", text, *TINY, *arguments)
    assert status == 2, errors
    assert output == ""
    for part in says:
        assert part in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "runs").exists()


def test_an_unknown_task(cli: CommandLine, text: str) -> None:
    status, _, errors = cli("train", "langauge-model", text)
    assert status == 2
    assert "no task named 'langauge-model'" in errors
    assert "did you mean 'language-model'?" in errors


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


GOOD = b"a line of words\n" * 30


@pytest.mark.parametrize(
    ("name", "make", "status", "says"),
    [
        ("missing.txt", lambda path: path, 2, "does not exist"),
        ("folder", folder, 2, "the folder holds no data files"),
        ("empty.txt", written(b""), 1, "no text"),
        ("blank.txt", written(b"\n\n  \n"), 1, "no text"),
        ("one-line.txt", written(b"word word\n"), 1, "too few examples"),
        ("broken.txt", written(GOOD + b"caf\xe9\n" + GOOD), 1, ":31"),
        ("short.txt.gz", lambda path: written(gzip.compress(GOOD * 99)[:-20])(path), 1, "compressed file is broken"),
        ("not.txt.gz", written(GOOD), 1, "compressed file is broken"),
        ("not.txt.xz", written(GOOD), 1, "compressed file is broken"),
    ],
)
def test_data_that_cannot_be_read(
    name: str, make: Callable[[Path], Path], status: int, says: str, cli: CommandLine, tmp_path: Path
) -> None:
    data = make(tmp_path / name)
    got, output, errors = cli("train", "language-model", data, *TINY, "--out", tmp_path / "run")
    assert got == status, errors
    assert says in errors
    assert name in errors
    assert output == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["lstm", "ar"])
def test_too_large_for_any_memory(model: str, text: str, cli: CommandLine, tmp_path: Path) -> None:
    sizes = {
        "lstm": ["--set", "model.hidden_size=65536"],
        "ar": ["--set", "model.output_size=65536", "--set", "embedding.dim=65536", "--set", "model.order=4096"],
    }
    arguments = ["--updates", "1", "--out", tmp_path / "run", "--model", model, *sizes[model]]
    status, _, errors = cli("train", "language-model", text, *arguments)
    assert status == 1
    assert "not enough memory" in errors
    assert "65536" in errors
    assert "Traceback" not in errors


def test_out_holds_a_run_already(cli: CommandLine, run: seqloom.Run, text: str) -> None:
    status, _, errors = cli("train", "language-model", text, *TINY, "--out", run.folder)
    assert status == 2
    assert "--resume" in errors
    assert str(run.folder) in errors


def test_resuming_with_other_settings_names_them(cli: CommandLine, tmp_path: Path) -> None:
    train_small(tmp_path / "run", updates=2)
    arguments = ["--set", "embedding.dim=8", "--seed", "2", "--updates", "3", "--resume", "--out", tmp_path / "run"]
    status, _, errors = cli("train", "language-model", tmp_path / "text.txt", *arguments)
    assert status == 2
    assert all(name in errors for name in ("embedding.dim", "seed", "budget"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody may write to")
def test_an_out_that_cannot_be_made(cli: CommandLine, text: str) -> None:
    status, _, errors = cli("train", "language-model", text, *TINY, "--out", "/proc/no/run")
    assert status in (1, 2)
    assert "/proc/no/run" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [["evaluate", "RUN", "text.txt"], ["score", "RUN"], ["generate", "RUN"]])
def test_not_a_run(command: list[str], cli: CommandLine, tmp_path: Path) -> None:
    status, _, errors = cli(*[tmp_path if part == "RUN" else part for part in command])
    assert status == 2
    assert "the folder holds no run" in errors
    assert str(tmp_path) in errors


@pytest.mark.parametrize(
    ("option", "value"),
    [("--temperature", -1), ("--temperature", "nan"), ("--top-p", 0), ("--top-p", 2), ("--top-k", -3)],
)
def test_sampling_out_of_range(option: str, value: object, cli: CommandLine, run: seqloom.Run) -> None:
    status, output, errors = cli("generate", run.folder, option, value)
    assert status == 2
    assert option.strip("-").replace("-", "_") in errors
    assert output == ""


def test_no_tokens_wanted(cli: CommandLine, run: seqloom.Run) -> None:
    assert cli("generate", run.folder, "--max-tokens", 0).status == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["modles"], "did you mean 'models'?"),
        (["settings"], "seqloom list settings TASK [MODEL]"),
        (["settings", "language-model", "lsmt"], "did you mean 'lstm'?"),
        (["settings", "langage-model", "lstm"], "did you mean 'language-model'?"),
    ],
)
def test_unknown_lists(arguments: list[str], says: str, cli: CommandLine) -> None:
    status, _, errors = cli("list", *arguments)
    assert status == 2
    assert says in errors


def test_a_comparison_from_python_leaves_later_warnings_alone(cli: CommandLine, tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    seqloom.compare(
        "language-model", text, models=["rnn"], seeds=1, updates=1, threads=1, out=tmp_path / "python", quiet=True,
        settings={"model.hidden_size": 4, "embedding.dim": 4},
    )  # fmt: skip
    assert_warnings_are_shown_once(cli, tmp_path)


def test_a_warning_is_shown_once(cli: CommandLine, tmp_path: Path) -> None:
    """Whatever the libraries do to the filters of warnings, and by all processes of a comparison together."""
    assert_warnings_are_shown_once(cli, tmp_path)


def assert_warnings_are_shown_once(cli: CommandLine, tmp_path: Path) -> None:
    text = tmp_path / "marks.txt"
    text.write_text("".join(f"<s> the cat {number % 50} sat on the mat </s>\n" for number in range(300)))
    settings = ["--set", "model.hidden_size=4", "--set", "embedding.dim=4", "--threads", "1", "--updates", "2"]
    train = ["train", "language-model", text, "--model", "rnn", *settings, "--out", tmp_path / "run"]
    status, _, errors = cli(*train)
    assert status == 0, errors
    assert errors.count("warning: every line has marks") == 1
    compare = ["compare", "language-model", text, "--models", "rnn", "--seeds", 1, *settings, "--out", tmp_path / "c"]
    status, _, errors = cli(*compare)
    assert status == 0, errors
    assert errors.count("warning: every line has marks") == 1
