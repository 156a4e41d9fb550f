"""Targets of labelled examples: classes, sets of labels and numbers, in every form in which files have them."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from seqloom.data.readers.labelled import holds_label_sets, holds_numbers, labelled, unlabelled
from seqloom.data.tables.columns import parse_columns
from seqloom.data.targets import (
    LabelSets,
    Numbers,
    learn_targets,
    look_like_numbers,
    read_targets,
    separator_of_sets,
)
from seqloom.errors import RequestError, SeqloomError

SETS = [(("a", "b"), "one two"), ((), "three"), (("c",), "four"), (("a", "c"), "five")]


def sets_of(path: Path, columns: str = "", separator: str = "") -> list[tuple[tuple[str, ...], str]]:
    examples = list(labelled(str(path), columns, "labels"))
    targets = LabelSets.learn([example.label for example in examples], separator, str(path))
    return [(targets.split(example.label), str(example.source)) for example in examples]


@pytest.mark.parametrize("mark", ["|", ";", ",", " ", "&&"])
def test_labels_with_a_mark_between_them(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "sets.tsv"
    path.write_text("".join(f"{mark.join(labels)}\t{text}\n" for labels, text in SETS))
    assert sets_of(path, separator=mark if mark == "&&" else "") == SETS


def test_labels_as_lists_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "sets.jsonl"
    rows = [{"text": text, "labels": list(labels)} for labels, text in SETS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert holds_label_sets(str(path), {})
    assert sets_of(path) == SETS
    pl.DataFrame(rows).write_parquet(tmp_path / "sets.parquet")
    assert holds_label_sets(str(tmp_path / "sets.parquet"), {})
    assert sets_of(tmp_path / "sets.parquet") == SETS
    path.write_text('{"text": "one", "label": "a"}\n')
    assert not holds_label_sets(str(path), {})


@pytest.mark.parametrize("columns", ["label=a+b+c,text=said", "label=2-4,text=said", "label=2+3+4,text=1"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_column_for_each_label(columns: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"sets.{suffix}"
    rows = [{"said": text, **{label: int(label in labels) for label in "abc"}} for labels, text in SETS]
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pl.DataFrame(rows).write_csv(path, separator="," if suffix == "csv" else "\t")
    assert holds_label_sets(str(path), parse_columns(columns))
    assert sets_of(path, columns) == SETS
    assert list(unlabelled(str(path), columns)) == [text for _, text in SETS]


def test_columns_of_labels_hold_yes_and_no(tmp_path: Path) -> None:
    path = tmp_path / "sets.csv"
    path.write_text("text,a,b\none,1,maybe\n")
    with pytest.raises(SeqloomError, match="column b"):
        list(labelled(str(path), "label=a+b,text=text", "labels"))
    with pytest.raises(RequestError, match="'x'"):
        list(labelled(str(path), "label=a+x,text=text", "labels"))
    path.write_text("x,a,b\n1,1,0\n")
    for columns in ("label=3-2", "label=3-2,text=1"):
        with pytest.raises(RequestError, match="range of columns is empty"):
            list(labelled(str(path), columns, "labels"))


def test_a_column_of_the_label_beside_numbers(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("kind,x,y\nred,1,2\nblue,3,4\n")
    assert holds_numbers(str(path), {"label": "kind"})
    examples = [(example.label, np.asarray(example.source).tolist()) for example in labelled(str(path), "label=kind")]
    assert examples == [("red", [[1, 2]]), ("blue", [[3, 4]])]
    assert [np.asarray(frames).tolist() for frames in unlabelled(str(path), "label=kind")] == [[[1, 2]], [[3, 4]]]
    path.write_text("1,a,2\n3,b,4\n")
    assert [example.label for example in labelled(str(path), "label=2")] == ["a", "b"]
    path.write_text("x,y,warm,wet\n1,2,0,1\n3,4,1,1\n")
    examples = [
        (example.label, np.asarray(example.source).tolist()) for example in labelled(str(path), "label=3-4", "labels")
    ]
    assert examples == [("wet", [[1, 2]]), ("warm\x1fwet", [[3, 4]])]


def test_an_empty_set_is_no_class(tmp_path: Path) -> None:
    path = tmp_path / "sets.tsv"
    path.write_text("\tone\n")
    assert [tuple(example) for example in labelled(str(path), target="labels")] == [("", "one")]
    with pytest.raises(SeqloomError, match="the label is empty"):
        list(labelled(str(path)))


def test_a_target_that_is_no_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "numbers.tsv"
    path.write_text("1.5\tone\nmany\ttwo\n")
    with pytest.raises(SeqloomError, match="example 2") as error:
        list(labelled(str(path), target="number"))
    assert "many" in str(error.value)


def test_targets_are_saved(tmp_path: Path) -> None:
    numbers = Numbers.learn(["1", "2", "6"], "x")
    assert (numbers.mean, numbers.scale) == (3.0, pytest.approx(np.std([1, 2, 6])))
    sets = LabelSets.learn(["a;b", "c"], "", "x")
    assert sets.separator == ";"
    for targets in (numbers, sets, learn_targets(["b", "a"], "class", "", "x")):
        targets.save(tmp_path / "labels.json")
        assert read_targets(tmp_path / "labels.json") == targets
    (tmp_path / "labels.json").write_text('{"mean": "x", "scale": 1}')
    with pytest.raises(RequestError, match="could not be read"):
        read_targets(tmp_path / "labels.json")
    with pytest.raises(RequestError, match="nothing to predict"):
        Numbers.learn(["1", "1"], "x")


def test_unknown_labels_have_no_output() -> None:
    sets = LabelSets.learn(["a|b", "c"], "", "x")
    ids, offsets = sets.encode(["a|z", "", "c|b"])
    assert (ids.tolist(), offsets.tolist()) == ([0, 2, 1], [0, 1, 1, 3])
    assert sets.batch([np.array([0]), np.array([], np.int64), np.array([2, 1])]).tolist() == [
        [1, 0, 0], [0, 0, 0], [0, 1, 1],
    ]  # fmt: skip
    assert sets.after(LabelSets.learn(["z"], "", "x")).labels.names == ("z", "a", "b", "c")


def test_classes_that_look_like_something_else() -> None:
    numbers, classes = Counter(f"{i / 7:.3f}" for i in range(100)), Counter(["1", "2", "3"] * 50)
    assert look_like_numbers(numbers)
    assert not look_like_numbers(classes)
    sets = Counter(f"{a}|{b}" for a in "abcdef" for b in "uvwxyz")
    assert separator_of_sets(sets) == "|"
    assert separator_of_sets(Counter({"n.,v.": 3, "a": 2})) == ""
    assert separator_of_sets(Counter([";", ";;", ";;;"])) == ""  # marks alone are no labels
    for counts in (numbers, sets):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            learn_targets(counts.elements(), "class", "", "x")
        assert "target=" in str(caught[0].message)
