"""`seqloom` on tagged sentences: train, predict, evaluate, word by word; what a user can get wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import seqloom
from seqloom.data.readers.tagged import tagged
from tests.support.command_line import CommandLine
from tests.support.sentences import SMALL_NETWORK, shared_tagger, write_sentences

LINES = "Ada went to Paris .\n\nThen Kurt flew\n"


@pytest.fixture(scope="module")
def tag_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_tagger(tmp_path_factory, updates=20, model="gru")


def test_train_evaluate_and_predict(cli: CommandLine, tmp_path: Path) -> None:
    data, out = write_sentences(tmp_path / "sentences.txt"), tmp_path / "run"
    options = [part for name, value in SMALL_NETWORK.items() for part in ("--set", f"{name}={value}")]
    status, output, errors = cli(
        "train", "tag", data, "--model", "bilstm", "--updates", 4, *options, "--set", "model.hidden_size=6",
        "--set", "output=crf", "--threads", 1, "--out", out, "--json",
    )  # fmt: skip
    assert status == 0, errors
    assert json.loads(output)["test_span_f1"] == seqloom.load(out).summary["test"]["span_f1"]
    assert "valid span_f1" in errors

    status, output, errors = cli("evaluate", out, data, "--json")
    assert status == 0, errors
    assert json.loads(output).keys() >= {"span_f1", "span_precision", "span_recall", "accuracy", "nats_per_token"}

    status, output, errors = cli("predict", out, data)
    assert status == 0, errors
    answered = tmp_path / "answers.conll"
    answered.write_text(output)
    words = [sentence.words for sentence in tagged(data)]
    assert [sentence.words for sentence in tagged(str(answered))] == words


def test_lines_are_answered_in_order(cli: CommandLine, tag_run: seqloom.Run) -> None:
    status, output, errors = cli("predict", tag_run.folder, standard_input=LINES)
    assert status == 0, errors
    assert output == "".join(f"{text}\n" for text in tag_run.predict(LINES.splitlines()))
    _, output, _ = cli("predict", tag_run.folder, "--json", standard_input=LINES)
    found = [json.loads(line)["answers"][0]["words"] for line in output.splitlines()]
    assert found == [line.split() for line in LINES.splitlines()]
    _, output, _ = cli("predict", tag_run.folder, "--proba", standard_input=LINES)
    assert [len(line.split("\t")) for line in output.splitlines() if line] == [3] * 8


def test_settings_are_listed(cli: CommandLine) -> None:
    status, output, _ = cli("list", "settings", "tag", "bilstm", "--json")
    assert status == 0
    rows = {row["name"]: row for row in json.loads(output)}
    assert rows.keys() >= {"output", "data.target", "words.dim", "characters.layer", "model.hidden_size"}
    assert all(row["description"] for row in rows.values())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Ada B-PER\nwent\n", "differ in the number of columns"),
        ("", "nothing to evaluate"),
        ("Ada\nwent\n", "no column 2"),
    ],
)
def test_mistakes_are_said(cli: CommandLine, tag_run: seqloom.Run, content: str, says: str) -> None:
    status, _, errors = cli("evaluate", tag_run.folder, "-", standard_input=content)
    assert status in (1, 2)
    assert says in errors


def test_a_language_model_has_no_tags(cli: CommandLine, run: seqloom.Run) -> None:
    status, _, errors = cli("predict", run.folder, standard_input="a\n")
    assert status == 2
    assert "cannot" in errors


def test_word_by_word(cli: CommandLine, tag_run: seqloom.Run) -> None:
    words = io.StringIO(LINES.replace(" ", "\n"))
    status, output, errors = cli("predict", tag_run.folder, "--online", standard_input=words.getvalue())
    assert status == 0, errors
    assert len(output.splitlines()) == len(words.getvalue().splitlines())


@pytest.mark.parametrize("name", ["known.conll", "known.csv"])
def test_known_tags_are_read_from_a_column(cli: CommandLine, tag_run: seqloom.Run, tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    if name.endswith("conll"):
        data.write_text("Ada\tx\tB-LOC\nwent\tx\t_\n\nKurt\tx\t_\n")
    else:
        data.write_text("words,known tags\nAda went,B-LOC _\nKurt,_\n")
    column = "known=3" if name.endswith("conll") else "known=known tags"
    status, output, errors = cli("predict", tag_run.folder, data, "--columns", column)
    assert status == 0, errors
    assert output.splitlines()[0] == "Ada\tB-LOC"
    assert output.endswith("".join(f"{text}\n" for text in tag_run.predict(["Kurt"])))
    status, _, errors = cli("predict", tag_run.folder, "--columns", "known=2", standard_input="Ada went\n")
    assert status == 2
    assert "plain text has no columns" in errors
