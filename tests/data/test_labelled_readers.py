"""Labelled examples: what is written is read, whatever the format; what cannot be read is said with its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from seqloom.data.example import Labelled, content
from seqloom.data.readers import readers
from seqloom.data.readers.labelled import parse_labelled, unlabelled
from seqloom.data.readers.ts_format import cases
from seqloom.errors import SeqloomError

HEADER = "# a comment\n@problemName made-up\n@timeStamps false\n@classLabel true\n@data\n"

texts = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), min_size=1).filter(lambda text: text.strip())
numbers = st.floats(-1e6, 1e6, width=32)
series = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=numbers)
names = st.text(st.characters(categories=["Ll", "Lu"]), min_size=1).filter(
    lambda text: text.lower() not in ("nan", "inf", "infinity")
)


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return str(path)


def read(path: Path, content: str) -> list[Labelled]:
    return list(readers["labelled"](write(path, content)))


def assert_same(found: list[Labelled], expected: list[tuple[str, NDArray[np.float32]]]) -> None:
    assert [label for label, _ in found] == [label for label, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        assert isinstance(one, np.ndarray)
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@given(label=texts, text=texts)
def test_what_is_written_with_a_tab_is_read(label: str, text: str) -> None:
    assert parse_labelled(f"{label}\t{text}", "here") == Labelled(label.strip(), text.strip())


@given(
    st.lists(
        st.tuples(names, arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=numbers)),
        max_size=4,
    )
)
def test_series_of_any_lengths_are_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, NDArray[np.float32]]]
) -> None:
    lines = [":".join([*(",".join(map(repr, c.tolist())) for c in frames.T), label]) for label, frames in written]
    folder = tmp_path_factory.mktemp("series")
    found = read(folder / "series.ts", HEADER + "\n".join(lines) + "\n")
    assert_same(found, written)
    again = [frames for _, frames in cases(str(folder / "series.ts"))]
    assert [content(one) for one in unlabelled(str(folder / "series.ts"))] == [content(one) for one in again]


@given(st.lists(st.tuples(names, st.lists(numbers, min_size=2, max_size=2)), min_size=1, max_size=5))
def test_rows_of_a_table_are_vectors(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, list[float]]]
) -> None:
    """With and without a header, whatever column the label stands in."""
    folder, expected = tmp_path_factory.mktemp("table"), [(label, np.float32([row])) for label, row in written]
    plain = "".join(f"{a!r},{b!r},{label}\n" for label, (a, b) in written)
    assert_same(read(folder / "plain.csv", plain), expected)
    assert_same(read(folder / "last.csv", f"x,y,kind\n{plain}"), expected)
    named = "".join(f"{a!r},{label},{b!r}\n" for label, (a, b) in written)
    assert_same(read(folder / "named.csv", f"x,Class,y\n{named}"), expected)


@given(st.lists(st.tuples(names, series), max_size=4))
def test_rows_of_one_name_are_a_sequence(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, NDArray[np.float32]]]
) -> None:
    written = [(label, frames[:, :1]) for label, frames in written]
    rows = [
        f"{label},{number},{x!r}\n" for number, (label, frames) in enumerate(written) for x in frames[:, 0].tolist()
    ]
    found = read(tmp_path_factory.mktemp("table") / "long.csv", "label,series,x\n" + "".join(rows))
    assert_same(found, written)


def test_missing_values_lie_on_a_line_between_their_neighbours(tmp_path: Path) -> None:
    found = read(tmp_path / "series.ts", f"{HEADER}?,1,?,NaN,4,?:a\n")
    assert_same(found, [("a", np.float32([[1], [1], [2], [3], [4], [4]]))])


def test_a_header_says_whether_there_are_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "series.ts", "@univariate true\n@classLabel false\n@data\n1,2,3\n4,5\n")
    assert [frames.shape for frames in unlabelled(path)] == [(3, 1), (2, 1)] == [(len(f), 1) for f in unlabelled(path)]  # type: ignore[union-attr]
    with pytest.raises(SeqloomError, match="no labels"):
        list(readers["labelled"](path))


def test_the_name_beneath_the_compression_decides(tmp_path: Path) -> None:
    path = tmp_path / "table.CSV.gz"
    path.write_bytes(gzip.compress(b"1,2,a\n"))
    assert_same(list(readers["labelled"](str(path))), [("a", np.float32([[1, 2]]))])


def test_what_is_to_be_answered_keeps_its_blank_lines(tmp_path: Path) -> None:
    assert list(unlabelled(write(tmp_path / "text.txt", " a b \n\nc\td\n"))) == ["a b", "", "c\td"]


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("1,2,a\n", [[1, 2]]),
        ("1,2,3\n", [[1, 2, 3]]),  # whether 3 is a label, only the model can say
        ("x,y,label\n1,2,3\n", [[1, 2]]),
        ("x,y\n1,2\n", [[1, 2]]),
        ("id,x,y\n7,1,2\n7,3,4\n", [[1, 2], [3, 4]]),
    ],
)
def test_labels_are_left_out_where_they_can_be_told(tmp_path: Path, table: str, rows: list[list[float]]) -> None:
    (found,) = unlabelled(write(tmp_path / "table.csv", table))
    assert np.asarray(found).tolist() == rows


@pytest.mark.parametrize(
    ("name", "text", "what", "line"),
    [
        ("x.tsv", "a\tb\nonly text\n", "a label and a text", 2),
        ("x.tsv", "a\tb\tc\n", "a label and a text", 1),
        ("x.tsv", "a\tb\n\n\tc\n", "the label is empty", 3),
        ("x.tsv", "a\t \n", "the text is empty", 1),
        ("x.csv", "1,2,a\n1,2,3,b\n", "another number of columns", 2),
        ("x.csv", "1,2,a\n1,x,b\n", "not a number", 2),
        ("x.csv", "1,2,a\n1,nan,b\n", "not a number", 2),
        ("x.csv", "1,2,a\n1,1e39,b\n", "not a number", 2),
        ("x.csv", "x,y,label\n1,2,a\n1,,b\n", "not a number", 3),
        ("x.csv", "x,y,label\n1,2,\n", "no label", 2),
        ("x.csv", "a\nb\n", "columns of numbers", 1),
        ("x.csv", "id,x,label\n1,2,a\n1,3,b\n", "different labels", 3),
        ("x.csv", "id,x,label\n1,2,a\n2,3,b\n1,2,a\n", "do not follow each other", 4),
        ("x.csv", "id,x,label\n1,2,a\n2,3\n", "another number of columns", 3),
        ("x.ts", f"{HEADER}1,2:a\n1,x:b\n", "not a number", 7),
        ("x.ts", f"{HEADER}1,2:3,4:a\n1,2:b\n", "another number of channels", 7),
        ("x.ts", f"{HEADER}1,2:3:a\n", "differ in length", 6),
        ("x.ts", f"{HEADER}?,?:a\n", "all values of a channel are missing", 6),
        ("x.ts", f"{HEADER}1,2:\n", "no label", 6),
        ("x.ts", "@univariate true\n1,2:a\n", "not a header line", 2),
        ("x.ts", "@timeStamps true\n@data\n", "time stamps", 1),
        ("x.ts", "@univariate true\n", "header does not end", 1),
    ],
)
def test_mistakes_are_said_with_their_line(tmp_path: Path, name: str, text: str, what: str, line: int) -> None:
    path = tmp_path / name
    with pytest.raises(SeqloomError, match=what) as refused:
        read(path, text)
    assert refused.value.where == f"{path}:{line}"
