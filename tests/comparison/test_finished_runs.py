"""Finished runs are scored on the same data, and runs that cannot be compared are refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.support.command_line import CommandLine
from tests.support.texts import write_text

import seqloom
from seqloom.comparison.finished_runs import compare_runs
from seqloom.errors import RequestError

SMALL = {"model.hidden_size": 8, "embedding.dim": 8, "training.evaluations": 2}


def train(text: str, folder: Path, model: str = "rnn", seed: int = 1, **settings: object) -> Path:
    small = {} if model == "ngram" else SMALL
    seqloom.train(
        "language-model", text, model=model, updates=3, seed=seed, threads=1, out=folder, quiet=True,
        settings={**small, **settings},
    )  # fmt: skip
    return folder


def test_finished_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text, other = write_text(tmp_path / "text.txt", lines=80), write_text(tmp_path / "other.txt", lines=30)
    runs = [
        train(text, tmp_path / "a", seed=1),
        train(text, tmp_path / "b", seed=2),
        train(text, tmp_path / "wide", **{"hidden_size": 12}),
        train(text, tmp_path / "counts", model="ngram"),
    ]
    cli = CommandLine(monkeypatch, capsys)
    arguments = ["compare", *map(str, runs), other, "--out", str(tmp_path / "compared"), "--threads", "1"]
    outcome = cli(*arguments, "--json")
    assert outcome.status == 0, outcome.errors
    report = json.loads(outcome.output)
    assert {row["model"]: len(row["scores"]) for row in report["rows"]} == {"rnn": 2, "rnn (wide)": 1, "ngram": 1}
    for run in report["runs"]:
        assert run["summary"]["test"]["perplexity"] == pytest.approx(
            seqloom.load(run["folder"]).evaluate(other)["perplexity"]
        )
    assert "trained before" in report["notes"][-1]
    assert json.loads(cli(*arguments, "--json").output)["rows"] == report["rows"]
    damaged = tmp_path / "compared" / "examples" / "0.npz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    outcome = cli(*arguments, "--json")
    assert json.loads(outcome.output)["rows"] == report["rows"]
    assert "saved scores are damaged" in outcome.errors

    characters = train(text, tmp_path / "characters", **{"tokenizer.kind": "character"})
    copy = shutil.copytree(runs[0], tmp_path / "copy")
    with pytest.raises(RequestError) as refused:
        compare_runs([*runs, characters, copy], other, out=tmp_path / "refused", threads=1)
    assert f"{characters}: its perplexity is over" in str(refused.value)
    assert f"{copy}: another of the runs is the same training" in str(refused.value)
    with pytest.raises(RequestError, match="it was trained on this data"):
        compare_runs(runs[:2], text, out=tmp_path / "trained-on", threads=1)
    assert "not the folder of a run" in cli("compare", str(runs[0]), "nothing", other, "--out", "x").errors
    for option, value in (("--models", "rnn"), ("--minutes", "3"), ("--set", "hidden_size=3")):
        errors = cli(*arguments, option, value).errors
        assert "as they are" in errors
        assert option in errors


def test_finished_runs_read_chosen_columns(tmp_path: Path) -> None:
    text, other = write_text(tmp_path / "text.txt", lines=80), write_text(tmp_path / "other.txt", lines=30)
    runs = [train(text, tmp_path / "a"), train(text, tmp_path / "b", seed=2)]
    table = tmp_path / "other.jsonl"
    rows = [{"n": 1, "said": line} for line in Path(other).read_text().splitlines()]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    compared = compare_runs(runs, table, out=tmp_path / "compared", columns={"text": "said"}, threads=1)
    expected = seqloom.load(runs[0]).evaluate(other)["perplexity"]
    assert compared.report["runs"][0]["summary"]["test"]["perplexity"] == pytest.approx(expected)
    assert "--columns text=said" in compared.report["command"]


def test_groups_of_one_run_are_those_of_all(tmp_path: Path) -> None:
    """Whether an example is in a group does not depend on the columns that a run was trained with."""
    rows = [f"{'yes' if n % 3 else 'no'},word{n % 2} text {n},author {n // 4}" for n in range(48)]
    files = []
    for name, lines in (("data", rows), ("other", [row.replace("text", "line") for row in rows])):
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text("\n".join(["label,text,author", *lines]) + "\n", encoding="utf-8")
    columns = {"label": "label", "text": "text"}
    for number, chosen in enumerate((columns, {**columns, "group": "author"})):
        seqloom.train(
            "classify", str(files[0]), model="bow", epochs=1, seed=number, threads=1, out=tmp_path / str(number),
            quiet=True, columns=chosen,
        )  # fmt: skip
    compared = compare_runs([tmp_path / "0", tmp_path / "1"], str(files[1]), out=tmp_path / "compared", threads=1)
    assert [row.examples for row in compared.rows] == [12, 12]
