"""`--columns` of every command that reads data: a table with odd names gives what the plain file gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import seqloom
from seqloom.data.readers.described import described, undescribed
from seqloom.errors import RequestError
from tests.support.command_line import CommandLine
from tests.support.labelled import shared_labelled_run
from tests.support.pairs import shared_pairs_run

PAIRS = [("a b c", "c b a"), ("d e f", "f e d"), ("a", "a")]


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_labelled_run(tmp_path_factory)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The pairs as lines, and as a table in which other columns come first."""
    plain, table = tmp_path / "pairs.tsv", tmp_path / "table.jsonl"
    plain.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    table.write_text("".join(json.dumps({"n": 1, "out": target, "in": source}) + "\n" for source, target in PAIRS))
    return plain, table


@pytest.mark.parametrize("command", [["score"], ["score", "--tokens"], ["embed"], ["predict"], ["evaluate"]])
def test_columns_of_commands_that_use_a_run(
    command: list[str], cli: CommandLine, translator: seqloom.Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    plain, table = files
    if command[0] in ("embed", "predict"):
        plain = tmp_path / "sources.txt"
        plain.write_text("".join(f"{source}\n" for source, _ in PAIRS))
    name, *options = command
    status, expected, errors = cli(name, translator.folder, plain, *options)
    assert status == 0, errors
    status, output, errors = cli(name, translator.folder, table, "--columns", "source=in,target=out", *options)
    assert (status, output) == (0, expected), errors
    status, _, errors = cli(name, translator.folder, table, "--columns", "source=inn,target=out", *options)
    assert (status, "in" in errors) == (2, True)


def test_columns_of_explain(cli: CommandLine, classifier: seqloom.Run, tmp_path: Path) -> None:
    table = tmp_path / "table.jsonl"
    rows = [
        {"kind": label, "said": f"the {word} is here"} for label, word in (("animal", "cat"), ("colour", "red")) * 9
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["explain", classifier.folder, table, "--out", tmp_path / "explained"]
    for columns, says in (
        ([], "not clear which column"),
        (["--columns", "label=kind,text=sade"], "did you mean 'said'"),
    ):
        status, _, errors = cli(*arguments, *columns)
        assert (status, says in errors) == (2, True), errors


def test_columns_of_look(cli: CommandLine, files: tuple[Path, Path]) -> None:
    _, table = files
    status, output, errors = cli("look", table, "--columns", "source=in,target=out", "--json")
    assert status == 0, errors
    surveyed = json.loads(output)
    assert surveyed["facts"]["what it is"] == "pairs: JSON Lines: source is column 3, target is column 2"
    assert surveyed["suggestion"]["options"] == ["--columns", "source=in,target=out"]
    for columns, says in (("source=in,label=out", "no kind of data"), ("source=inn,target=out", "'inn'")):
        status, _, errors = cli("look", table, "--columns", columns)
        assert (status, says in errors) == (2, True), errors


def test_columns_where_there_are_none(cli: CommandLine, classifier: seqloom.Run, tmp_path: Path) -> None:
    rated = tmp_path / "rated.tsv"
    rated.write_text("a\tb\t1\nc\td\t2\n")
    status, _, errors = cli("embed", classifier.folder, "--similarity", rated, "--columns", "text=1")
    assert (status, "--columns" in errors) == (2, True)


def test_columns_of_vectors_with_texts(tmp_path: Path) -> None:
    rows = [{"said": f"up {i % 3}", "x": float(i), "y": 1.0 - i} for i in range(60)]
    pl.DataFrame(rows).write_csv(tmp_path / "x.csv")
    pl.DataFrame(rows).write_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        for columns in ("text=said", "text=1"):
            examples = list(described(str(tmp_path / name), columns))
            assert [example.text for example in examples] == [row["said"] for row in rows]
            assert examples[1].frames.tolist() == [[1.0, 0.0]]
            assert next(undescribed(str(tmp_path / name), columns)).tolist() == [[0.0, 1.0]]
    with pytest.raises(RequestError, match="role of a column"):
        next(described(str(tmp_path / "x.csv"), "word=1"))
    np.savez(tmp_path / "x.npz", vectors=np.zeros((2, 2)), texts=np.array(["a", "b"]))
    with pytest.raises(RequestError, match="no columns to choose"):
        next(described(str(tmp_path / "x.npz"), "text=1"))
    run = seqloom.train(
        "describe", str(tmp_path / "x.csv"), model="gru", columns={"text": "said"}, updates=1, out=tmp_path / "run",
        threads=1, quiet=True, settings={"encoder.hidden_size": 4, "decoder.hidden_size": 4, "embedding.dim": 4},
    )  # fmt: skip
    assert run.codec.frames.channels == 2
