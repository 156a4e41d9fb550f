"""`seqloom` on pairs: train, predict line by line, evaluate, score; alignments; what a user can get wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.pairs import SMALL_NETWORK, shared_pairs_run, write_pairs

LINES = "a b c\n\nd\nf e d c b a\n"


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, updates=20)


def test_train_evaluate_and_score(cli: CommandLine, tmp_path: Path) -> None:
    data, out = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "run"
    settings = {**SMALL_NETWORK, "encoder.hidden_size": 8, "decoder.hidden_size": 8}
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    status, output, errors = cli(
        "train", "translate", data, "--model", "lstm+attention", "--updates", 4, "--reverse", *options,
        "--threads", 1, "--out", out, "--json",
    )  # fmt: skip
    assert status == 0, errors
    assert json.loads(output)["test_exact_match"] == seqloom.load(out).summary["test"]["exact_match"]
    assert "valid exact_match" in errors

    status, output, errors = cli("evaluate", out, data, "--json")
    assert status == 0, errors
    metrics = json.loads(output)
    assert metrics.keys() >= {"bleu", "chrf", "exact_match", "token_error_rate", "nats_per_token"}
    status, output, _ = cli("evaluate", out, data, "--by-length")
    assert output.splitlines()[0].split()[:2] == ["source", "length"]

    status, output, _ = cli("score", out, standard_input="a b\tb a\nc\tc\n")
    assert [len(line.split("\t")) for line in output.splitlines()] == [3, 3]


def test_predict_keeps_the_order(cli: CommandLine, pairs_run: seqloom.Run) -> None:
    status, output, errors = cli("predict", pairs_run.folder, standard_input=LINES)
    assert status == 0, errors
    assert output.splitlines() == pairs_run.predict(LINES.splitlines())


def test_predict_answers_a_line_before_the_next_is_written(pairs_run: seqloom.Run) -> None:
    command = [sys.executable, "-m", "seqloom", "predict", str(pairs_run.folder), "--threads", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in LINES.splitlines():
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert process.stdout.readline().rstrip("\n") == pairs_run.predict([line])[0]
        process.stdin.close()
    assert process.returncode == 0


def test_several_answers_and_json(cli: CommandLine, pairs_run: seqloom.Run) -> None:
    _, output, _ = cli("predict", pairs_run.folder, "--n-best", 2, standard_input="a b\nc d\n")
    assert [line.split("\t")[0] for line in output.splitlines()] == ["1", "1", "2", "2"]
    _, output, _ = cli("predict", pairs_run.folder, "--json", standard_input="a b\nc d\n")
    assert [json.loads(line)["line"] for line in output.splitlines()] == [1, 2]


def test_sampling_is_reproducible(cli: CommandLine, pairs_run: seqloom.Run) -> None:
    options = ["predict", pairs_run.folder, "--sample", "--temperature", "2.5", "--max-length", 8]
    first, again, other = (cli(*options, "--seed", seed, standard_input=LINES).output for seed in (1, 1, 2))
    assert first == again != other


def test_alignments_are_written(cli: CommandLine, pairs_run: seqloom.Run, tmp_path: Path) -> None:
    for name in ("found.json", "found.html"):
        status, _, errors = cli(
            "predict", pairs_run.folder, "--alignments", tmp_path / name, "--prefix", "a", standard_input="a b\nc d\n"
        )
        assert status == 0, errors
    found = json.loads((tmp_path / "found.json").read_text())
    assert [alignment["source"] for alignment in found] == [["a", "b", "<eos>"], ["c", "d", "<eos>"]]
    assert (tmp_path / "found.html").read_text().count("<svg") == 2


@pytest.mark.parametrize(
    ("command", "standard_input", "says"),
    [
        (["score"], "no tab here\n", "two columns"),
        (["evaluate", "-"], "a\tb\tc\n", "two columns"),
        (["evaluate", "-"], "", "nothing to evaluate"),
        (["predict", "--n-best", "3", "--beam-size", "2"], "a\n", "n_best is out of range"),
        (["predict", "--sample", "--temperature", "-1"], "a\n", "temperature is out of range"),
        (["generate"], "", "cannot generate"),
    ],
)
def test_mistakes_are_said(
    cli: CommandLine, pairs_run: seqloom.Run, command: list[str], standard_input: str, says: str
) -> None:
    name, *options = command
    status, _, errors = cli(name, pairs_run.folder, *options, standard_input=standard_input)
    assert status in (1, 2)
    assert says in errors


def test_broken_text_is_said_with_its_line(pairs_run: seqloom.Run) -> None:
    """And before seconds have passed: torch's compiler is not imported to open a run."""
    command = [sys.executable, "-X", "importtime", "-m", "seqloom", "predict", str(pairs_run.folder)]
    done = subprocess.run(command, input=b"a b\nc \xff\n", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"-:2" in done.stderr
    assert b"torch._dynamo" not in done.stderr


def test_a_language_model_does_not_predict(cli: CommandLine, run: seqloom.Run) -> None:
    status, _, errors = cli("predict", run.folder, standard_input="a\n")
    assert status == 2
    assert "a run of language-model cannot predict" in errors


def test_terms_come_from_columns(cli: CommandLine, pairs_run: seqloom.Run, tmp_path: Path) -> None:
    tabs, objects = tmp_path / "terms.tsv", tmp_path / "terms.jsonl"
    tabs.write_text("a b\tc|f a\na b\t\nd\te\n")
    objects.write_text(
        '{"source": "a b", "require": ["c", "f a"]}\n{"source": "a b"}\n{"source": "d", "require": ["e"]}\n'
    )
    expected = pairs_run.predict(
        [{"source": "a b", "require": ["c", "f a"]}, "a b", {"source": "d", "require": ["e"]}], max_length=12
    )
    for data, options in ((tabs, ["--columns", "source=1,require=2"]), (objects, [])):
        status, output, errors = cli("predict", pairs_run.folder, data, "--max-length", 12, *options)
        assert status == 0, errors
        assert output.splitlines() == expected
    status, output, errors = cli(
        "predict",
        pairs_run.folder,
        "--columns",
        "source=1,require=2",
        "--max-length",
        12,
        standard_input="a b\tc|f a\n",
    )
    assert status == 0, errors
    assert output.splitlines() == expected[:1]


def test_alignments_of_given_targets_are_written(cli: CommandLine, pairs_run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    status, output, errors = cli("score", pairs_run.folder, "--alignments", path, standard_input="a b\tb a\nc\tc\n")
    assert status == 0, errors
    assert len(output.splitlines()) == 2
    first, second = json.loads(path.read_text())
    assert first["source"] == ["a", "b", "<eos>"]
    assert first["target"] == ["b", "a", "<eos>"]
    assert [round(sum(row), 2) for row in first["weights"]] == [1.0] * 3
    assert second["target"] == ["c", "<eos>"]
