"""`seqloom embed`: vectors in the order of the lines, as text and as files, and compared with what people say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.pairs import shared_pairs_run

LINES = "w1 w4 w2\n\nnowhere\n  w4  \n"
RATED = "# two words and how alike they are\nw1\tw2\t9\nw3\tw4\t7.5\n\nw5\tw6\t2\nw7\tw8\t1\nw1\tnowhere\t4\n"


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, updates=2)


def numbers(output: str) -> np.ndarray:
    return np.array([[float(number) for number in line.split("\t")] for line in output.splitlines()])


def test_a_vector_for_each_line(cli: CommandLine, run: seqloom.Run) -> None:
    status, output, errors = cli("embed", run.folder, standard_input=LINES)
    assert status == 0, errors
    found = numbers(output)
    assert found.any(1).tolist() == [True, False, False, True]
    np.testing.assert_allclose(found, run.embed(LINES.splitlines()), rtol=1e-4)
    np.testing.assert_array_equal(run.embed(["w4"]), run.embed(["w4"], pooling="word-mean"))


@pytest.mark.parametrize("pooling", ["auto", "word-mean", "word-sum", "last", "mean", "max"])
def test_of_a_translator_it_is_what_the_encoder_makes(pooling: str, cli: CommandLine, pairs_run: seqloom.Run) -> None:
    status, output, errors = cli("embed", pairs_run.folder, "--pooling", pooling, standard_input="a b c\n\nf\n")
    assert status == 0, errors
    assert numbers(output).any(1).tolist() == [True, False, True]
    np.testing.assert_allclose(numbers(output), pairs_run.embed(["a b c", "", "f"], pooling), rtol=1e-4)


def test_files(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text(LINES)
    for name in ("vectors.npy", "vectors.tsv"):
        status, output, errors = cli("embed", run.folder, tmp_path / "lines.txt", "--out", tmp_path / name)
        assert (status, output) == (0, ""), errors
    matrix = np.load(tmp_path / "vectors.npy", allow_pickle=False)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, run.embed(LINES.splitlines()))
    np.testing.assert_allclose(numbers((tmp_path / "vectors.tsv").read_text()), matrix, rtol=1e-4)
    assert sorted(path.name for path in tmp_path.glob("*vectors*")) == ["vectors.npy", "vectors.tsv"]


def test_nothing_gives_nothing(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    assert cli("embed", run.folder)[:2] == (0, "")
    assert run.embed([]).shape == (0, 0)
    status, _, errors = cli("embed", run.folder, "--out", tmp_path / "none.npy")
    assert status == 1
    assert "nothing to embed" in errors
    assert not (tmp_path / "none.npy").exists()


def test_similarity(cli: CommandLine, run: seqloom.Run, tmp_path: Path) -> None:
    rated = tmp_path / "rated.tsv"
    rated.write_text(RATED)
    status, output, errors = cli("embed", run.folder, "--similarity", rated, "--json")
    assert status == 0, errors
    found = json.loads(output)
    assert (found["pairs"], found["skipped"]) == (4, 1)
    assert -1 <= found["low"] <= found["spearman"] <= found["high"] <= 1
    assert run.similarity(str(rated))._asdict() == found
    plain = cli("embed", run.folder, "--similarity", rated, "--pooling", "last").output
    assert [line.split()[0] for line in plain.splitlines()] == list(found)


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        ("", 1, "knows too few of the pairs"),
        ("nowhere\tw1\t2\n" * 9, 1, "knows too few of the pairs"),
        ("w1\tw2\t3\n" * 9, 1, "nothing to correlate"),
        ("w1\tw2\n", 1, "rated.tsv:1"),
        ("# words\nw1\tw2\thigh\n", 1, "rated.tsv:2"),
        ("w1\tw2\tnan\n", 1, "text TAB text TAB score"),
    ],
)
def test_files_that_cannot_be_compared(
    content: str, status: int, says: str, cli: CommandLine, run: seqloom.Run, tmp_path: Path
) -> None:
    (tmp_path / "rated.tsv").write_text(content)
    got, output, errors = cli("embed", run.folder, "--similarity", tmp_path / "rated.tsv")
    assert (got, output) == (status, ""), errors
    assert says in errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pooling", "word_mean"], ["no pooling named 'word_mean'", "did you mean 'word-mean'?"]),
        (["--out", "vectors.csv"], ["vectors.csv", ".npy or .tsv"]),
        (["--out", "v.npy", "--similarity", "rated.tsv"], ["--similarity reads its own file"]),
        (["lines.txt", "--similarity", "rated.tsv"], ["--similarity reads its own file"]),
        (["--json"], ["--json", "--similarity"]),
        (["nowhere.txt"], ["nowhere.txt", "does not exist"]),
    ],
)
def test_mistakes(options: list[str], says: list[str], cli: CommandLine, run: seqloom.Run) -> None:
    status, output, errors = cli("embed", run.folder, *options, standard_input="w1\n")
    assert (status, output) == (2, "")
    assert all(part in errors for part in says), errors
