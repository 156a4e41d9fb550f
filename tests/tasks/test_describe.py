"""Vectors into text: files of every format, every model, options, and what is no vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import seqloom
from seqloom.data.readers import readers
from seqloom.data.readers.described import undescribed
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError, SeqloomError
from seqloom.tasks import tasks
from tests.support.command_line import CommandLine
from tests.support.small_runs import assert_same_run, signal_after
from tests.support.vectors_with_texts import caption, scene, shared_scenes_run, train_scenes

VECTORS = np.array([[1, 2, 3], [4, 5, 6.5]], np.float32)
TEXTS = ["a b", "c, d"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_scenes_run(tmp_path_factory, updates=250, training__learning_rate=1e-2, data__noise=0)


def write_csv(path: Path) -> None:
    path.write_text('x,y,z,caption\n1,2,3,a b\n4,5,6.5,"c, d"\n')


def write_named_first(path: Path) -> None:
    path.write_text('text,x,y,z\na b,1,2,3\n"c, d",4,5,6.5\n')


def write_parquet(path: Path) -> None:
    pl.DataFrame({"text": TEXTS, "x": [1, 4], "yz": [[2.0, 3.0], [5.0, 6.5]]}).write_parquet(path)


def write_archive_of_a_later_version(path: Path) -> None:
    write_npz(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 237  # the version that is needed to unpack
    path.write_bytes(content)


def write_one_array(path: Path) -> None:
    with path.open("wb") as stream:  # a name would get .npy
        np.save(stream, VECTORS)


def write_npz(path: Path) -> None:
    np.savez(path, vectors=VECTORS, texts=np.array(TEXTS))


FILES: dict[str, Callable[[Path], None]] = {
    "a.csv": write_csv, "b.csv": write_named_first, "c.parquet": write_parquet, "d.npz": write_npz,
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    examples = list(readers["described"](str(tmp_path / name)))
    assert [example.text for example in examples] == TEXTS
    assert np.array_equal(np.concatenate([example.frames for example in examples]), VECTORS)
    assert np.array_equal(np.concatenate(list(undescribed(str(tmp_path / name)))), VECTORS)


def test_sequences_of_vectors_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x,text\n1,1,go on\n1,2,go on\n2,3,stop\n")
    pl.DataFrame({"id": [1, 1, 2], "x": [1, 2, 3], "text": ["go on", "go on", "stop"]}).write_parquet(
        tmp_path / "b.parquet"
    )
    vectors = np.array([[[1.0], [2]], [[3], [0]]])
    np.savez(tmp_path / "c.npz", vectors=vectors, texts=np.array(["go on", "stop"]), lengths=np.array([2, 1]))
    (tmp_path / "d.ts").write_text("@univariate true\n@classLabel true go stop\n@data\n1,2:go\n3:stop\n")
    for name in ("a.csv", "b.parquet", "c.npz", "d.ts"):
        examples = list(readers["described"](str(tmp_path / name)))
        assert [example.frames.tolist() for example in examples] == [[[1.0], [2.0]], [[3.0]]], name
        assert examples[1].text == "stop"


WRONG: dict[str, Callable[[Path], object]] = {
    "no numbers.csv": lambda path: path.write_text("text\nword\n"),
    "width.csv": lambda path: path.write_text("1,2,a\n1,b\n"),
    "text.parquet": lambda path: pl.DataFrame({"x": [1.0]}).write_parquet(path),
    "words.parquet": lambda path: pl.DataFrame({"text": ["a"], "b": ["c"]}).write_parquet(path),
    "lists.parquet": lambda path: pl.DataFrame({"text": ["a", "b"], "x": [[1.0], [1.0, 2.0]]}).write_parquet(path),
    "no vectors.npz": lambda path: np.savez(path, texts=np.array(["a"])),
    "count.npz": lambda path: np.savez(path, vectors=np.ones((2, 3)), texts=np.array(["a"])),
    "nan.npz": lambda path: np.savez(path, vectors=np.full((1, 3), np.nan), texts=np.array(["a"])),
    "lengths.npz": lambda path: np.savez(
        path, vectors=np.ones((1, 2, 3)), texts=np.array(["a"]), lengths=np.array([5])
    ),
    "version.npz": write_archive_of_a_later_version,
    "one array.npz": write_one_array,
    "broken.npz": lambda path: path.write_bytes(b"PK\x03\x04 broken"),
    "broken.parquet": lambda path: path.write_bytes(b"PAR1 broken"),
    "empty text.npz": lambda path: np.savez(path, vectors=np.ones((1, 3)), texts=np.array([""])),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    WRONG[name](tmp_path / name)
    with pytest.raises(SeqloomError) as caught:
        list(readers["described"](str(tmp_path / name)))
    assert name in str(caught.value.where)


@pytest.mark.parametrize("model", ["gru", "bilstm", "lstm+attention", "transformer"])
def test_models_train_and_answer(model: str, tmp_path: Path) -> None:
    run = train_scenes(tmp_path / "run", model=model, updates=3)
    again = seqloom.load(tmp_path / "run", threads=1)
    vectors = [np.ones(8), np.zeros((1, 8))]
    assert again.predict(vectors) == run.predict(vectors)
    assert again.summary["score"] == "exact_match"
    assert again.summary["valid"].keys() >= {"bleu", "exact_match", "token_error_rate"}


def test_scenes_are_described(run: seqloom.Run) -> None:
    rng, words = np.random.default_rng(9), [("star", "red", "left"), ("circle", "blue", "right")]
    assert run.predict([scene(*w, rng) for w in words]) == [caption(*w) for w in words]
    assert run.summary["test"]["exact_match"] >= 0.9
    ((best, *others),) = run.answers([scene(*words[0], rng)], n_best=4)
    assert best.text == caption(*words[0])
    assert all(best.score >= other.score for other in others)
    assert run.embed([np.ones(8), np.zeros(8)]).shape == (2, 16)


def test_a_vector_is_cut_into_parts_that_are_attended_to(tmp_path: Path) -> None:
    run = train_scenes(tmp_path / "run", model="gru+attention", updates=3, data__parts=4)
    ((answer,),) = run.answers([np.ones(8)], attention=True)
    assert answer.alignment.matrix().shape[1] == 4  # type: ignore[attr-defined]
    with pytest.raises(SeqloomError, match="equal parts"):
        train_scenes(tmp_path / "other", data__parts=3)


def test_a_source_with_several_texts_is_decoded_once(
    run: seqloom.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    words = [("star", "red", "left"), ("circle", "blue", "right")]
    vectors = np.repeat([scene(*w, rng) for w in words], 3, axis=0)
    np.savez(tmp_path / "x.npz", vectors=vectors, texts=[caption(*w) for w in words for _ in range(3)])
    decoded: list[int] = []

    def counting(model: Any, rows: list[Any], *args: Any, **options: Any) -> Any:
        decoded.append(len(rows))
        return transduce(model, rows, *args, **options)

    monkeypatch.setattr("seqloom.tasks.describe.transduce", counting)
    assert run.evaluate(str(tmp_path / "x.npz"))["exact_match"] == 1
    assert decoded == [2]


def test_noise_is_drawn_by_the_step_so_that_resuming_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    train_scenes(tmp_path / "a" / "run", updates=12, data__noise=0.5)
    with monkeypatch.context() as patch:
        signal_after(patch, 5)
        train_scenes(tmp_path / "b" / "run", updates=12, data__noise=0.5)
    train_scenes(tmp_path / "b" / "run", updates=12, data__noise=0.5, resume=True)
    assert_same_run(tmp_path / "a" / "run", tmp_path / "b" / "run")


@pytest.mark.parametrize("vector", ["words", np.ones(5), np.ones((2, 5)), np.full(8, 1e300), np.full(8, np.nan), []])
def test_what_is_no_vector_of_the_model_is_refused(run: seqloom.Run, vector: object) -> None:
    with pytest.raises(SeqloomError):
        run.predict([vector])
    with pytest.raises(SeqloomError):
        run.embed([vector])


def test_options_of_other_tasks_are_refused(run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="no option"):
        run.predict([np.ones(8)], prefix="a")


def test_the_command_describes_a_file(
    run: seqloom.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    vectors = np.stack([scene("square", "green", "left", rng), scene("star", "red", "right", rng)])
    np.savez(tmp_path / "x.npz", vectors=vectors)
    status, out, _ = CommandLine(monkeypatch, capsys)("predict", str(run.folder), str(tmp_path / "x.npz"))
    assert status == 0
    assert out.splitlines() == [caption("square", "green", "left"), caption("star", "red", "right")]


def test_every_architecture_is_a_model() -> None:
    assert {"gru", "lstm+attention", "transformer"} <= set(tasks["describe"].models())


def test_the_embedding_begins_with_pretrained_vectors(tmp_path: Path) -> None:
    rng = train_scenes(tmp_path / "random", updates=1)
    tokens = rng.codec.tokenizer.tokens()[4:]
    dim = rng.model.embedding.table.embedding_dim
    lines = [f"{token} {' '.join(str(number + i) for i in range(dim))}" for number, token in enumerate(tokens)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    settings = {"embedding__from": str(tmp_path / "vectors.txt"), "training__learning_rate": 1e-9}
    table = train_scenes(tmp_path / "run", updates=1, **settings).model.embedding.table.weight[4:].detach().numpy()
    wanted = np.add.outer(np.arange(len(tokens)), np.arange(dim))
    np.testing.assert_allclose(table / table[1, 0], wanted, rtol=1e-3, atol=1e-3)
    (tmp_path / "vectors.txt").unlink()
    assert seqloom.load(tmp_path / "run").model.embedding.table.weight.shape == (len(tokens) + 4, dim)
