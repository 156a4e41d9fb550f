"""`tag` over sequences of numbers: one tag for each step, from tables and archives to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.data.readers.conll import Sentence
from seqloom.data.readers.tagged_steps import holds_steps, tagged_steps, untagged_steps
from seqloom.data.tagged import TagCodec
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import RequestError, SeqloomError
from seqloom.tasks import tasks
from tests.support.tagged_numbers import (
    draw_levels,
    shared_levels_run,
    train_levels,
    write_level_archive,
    write_levels,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_levels_run(tmp_path_factory, model="lstm")


def test_a_table_and_an_archive_hold_the_same(tmp_path: Path) -> None:
    of_table, of_archive = (
        list(tagged_steps(write(tmp_path / name)))
        for write, name in ((write_levels, "a.csv"), (write_level_archive, "a.npz"))
    )
    drawn = draw_levels(60, 1)
    assert [example.tags for example in of_table] == [example.tags for example in of_archive]
    assert [list(example.tags) for example in of_table] == [tags for _, tags in drawn]
    for row, archived, (numbers, _) in zip(of_table, of_archive, drawn, strict=True):
        np.testing.assert_allclose(row.frames, numbers)
        np.testing.assert_array_equal(archived.frames, numbers)


def test_without_names_of_sequences_a_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y,state\n1,2,on\n3,4,off\n")
    (example,) = tagged_steps(str(path))
    assert example.tags == ("on", "off")
    assert example.frames.tolist() == [[1, 2], [3, 4]]
    (frames,) = untagged_steps(str(path))
    assert frames.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "is_numbers"),
    [
        ("sequence,x,tag\n1,0.5,a\n", True),
        ("x,y\n1,2\n3,4\n", True),
        ("sequence,word,tag\n1,2,NUM\n", False),
        ("word,tag\n1999,NUM\nthe,DET\n", False),
        ("sentence,word,tag\n1,The,DET\n", False),
    ],
)
def test_numbers_are_told_from_words(text: str, is_numbers: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert holds_steps(str(path)) == is_numbers


def test_a_column_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,what,x\n1,a,2\n1,b,3\n")
    (example,) = tagged_steps(str(path), "tag=what")
    assert example.tags == ("a", "b")
    assert example.frames.tolist() == [[2], [3]]
    with pytest.raises(RequestError, match="role"):
        list(tagged_steps(str(path), "label=what"))


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("sequence,x,tag\n1,0.5,a\n1,,b\n", "not a number", 3),
        ("sequence,x,tag\n1,nan,a\n", "not a number", 2),
        ("sequence,x,tag\n1,1,a\n1,2,\n", "no tag", 3),
        ("sequence,x,tag\n1,1,a\n2,2,b\n1,2,b\n", "do not follow", 4),
        ("sequence,x,tag\n1,1,a\n1,2\n", "columns", 3),
    ],
)
def test_a_wrong_table_names_its_line(text: str, message: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SeqloomError, match=message) as error:
        list(tagged_steps(str(path)))
    assert f"a.csv:{line}" in str(error.value.where)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"vectors": np.zeros((2, 3, 1))}, "no tags"),
        ({"vectors": np.zeros((2, 3, 1)), "tags": np.full((2, 4), "a")}, "do not belong together"),
        ({"vectors": np.zeros((2, 3)), "tags": np.full((2, 3), "a")}, "do not belong together"),
        ({"vectors": np.full((2, 3, 1), np.nan), "tags": np.full((2, 3), "a")}, "missing or too large"),
        ({"vectors": np.zeros((1, 2, 1)), "tags": np.array([["a", ""]])}, "no tag"),
        ({"vectors": np.zeros((1, 2, 1)), "tags": np.full((1, 2), "a"), "lengths": np.array([3])}, "lengths"),
    ],
)
def test_a_wrong_archive_is_named(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SeqloomError, match=message) as error:
        list(tagged_steps(str(tmp_path / "a.npz")))
    assert "a.npz" in str(error.value.where)


def test_a_ts_file_has_no_tags_of_steps_but_is_an_input(run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_text("@dimensions 2\n@classLabel true a b\n@data\n1,0,1:0,0,0:a\n")
    with pytest.raises(SeqloomError, match="one label for each sequence"):
        list(tagged_steps(str(path)))
    (answer,) = run.predict(run.inputs(str(path)))
    assert len(answer.splitlines()) == 3


def test_levels_are_learnt_and_scored_step_by_step(run: seqloom.Run, tmp_path: Path) -> None:
    scores = run.evaluate(write_level_archive(tmp_path / "b.npz", seed=2))
    assert scores["accuracy"] > 0.9
    assert scores["macro_f1"] > 0.9
    assert scores["sequences"] == 60
    assert scores["steps"] == sum(len(tags) for _, tags in draw_levels(60, 2))


def test_answers_are_a_tag_for_each_step(run: seqloom.Run) -> None:
    low_then_high = np.array([[0, 0]] * 5 + [[1, 0]] * 5)
    ((answer, *_),) = run.answers([low_then_high])
    assert answer.to_json()["tags"] == ["low"] * 5 + ["high"] * 5
    assert answer.text == "low\n" * 5 + "high\n" * 5
    assert run.predict([low_then_high[:, :2].tolist()]) == [answer.text]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(np.zeros((3, 5)), "do not fit"), (np.full((3, 2), np.inf), "do not fit"), ("a b", "does not hold numbers")],
)
def test_wrong_inputs_are_refused(run: seqloom.Run, wrong: object, message: str) -> None:
    with pytest.raises(SeqloomError, match=message):
        run.predict([wrong])


def test_tags_that_training_lacked_count_as_wrong(run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("sequence,level,noise,tag\n1,0,0,low\n1,1,0,middle\n")
    assert run.evaluate(str(path))["accuracy"] == 0.5


def test_a_run_of_words_and_one_of_numbers_refuse_the_other(run: seqloom.Run, tmp_path: Path) -> None:
    path = tmp_path / "words.conll"
    path.write_text("Ada B-PER\n")
    with pytest.raises(RequestError, match="reads sequences of numbers"):
        run.evaluate(str(path))
    codec = TagCodec.learn([Sentence(("Ada",), ("B-PER",))], VocabularySettings(), "words.conll")
    writer: Any = codec.writer(tmp_path / "words")
    with pytest.raises(RequestError, match="reads sentences"):
        writer.add(list(tagged_steps(write_levels(tmp_path / "h.csv", sequences=1))))
    writer.discard()


def test_long_sequences_are_cut_in_training_alone(run: seqloom.Run, tmp_path: Path) -> None:
    data = run.read(write_levels(tmp_path / "e.csv", sequences=3))
    pieces = data.in_pieces(5)
    assert max(pieces.lengths) <= 5
    assert pieces.starts[-1] == data.starts[-1] == len(pieces)
    np.testing.assert_array_equal(np.concatenate(pieces.rows(range(pieces.num_lines))), data.values)
    assert data.in_pieces(0) is data
    train_levels(tmp_path / "cut", updates=2, data__longest_piece=4)


def test_a_window_is_the_baseline_of_numbers(tmp_path: Path) -> None:
    task: Any = tasks["tag"]
    assert task.baselines(write_levels(tmp_path / "g.csv")) == ["ffnn"]
    assert task.baselines("words.conll") == []
