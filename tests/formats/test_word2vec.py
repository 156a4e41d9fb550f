"""Files of vectors: broken, cut off, with headers that are wrong, with words that are odd."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import seqloom
from seqloom.formats.vector_sources import dim_of, open_vectors
from seqloom.formats.word2vec import write_vectors
from seqloom.models.word_vectors.table import VectorTable

ROWS = np.float32([[1, 2, 3], [4, 5, 6]])


def opened(path: Path, content: str | bytes) -> VectorTable:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_vectors(path)


def binary(*words: str | bytes, header: str = "", rows: np.ndarray = ROWS) -> bytes:
    body = b"".join(
        (word.encode() if isinstance(word, str) else word) + b" " + row.astype("<f4").tobytes() + b"\n"
        for word, row in zip(words, rows, strict=False)
    )
    return (header or f"{len(words)} 3").encode() + b"\n" + body


@pytest.mark.parametrize(
    "content",
    [
        "2 3\nking 1 2 3\nqueen 4 5 6\n",
        "2 3\nking 1 2 3\nqueen 4 5 6\n\n",
        "2\t3\nking\t1\t2\t3\nqueen\t4\t5\t6",
        "\ufeff2 3\r\nking 1  2 3 \r\nqueen 4.0 5e0 6\r\n",
        "king 1 2 3\nqueen +4 5 6\n",
    ],
)
def test_forms_of_text(content: str, tmp_path: Path) -> None:
    table = opened(tmp_path / "vectors.txt", content)
    assert table.words == ["king", "queen"]
    np.testing.assert_array_equal(table.matrix, ROWS)
    assert dim_of(str(tmp_path / "vectors.txt")) == 3


def test_words_of_glove_that_hold_spaces(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="contain whitespace") as warned:
        table = opened(tmp_path / "glove.txt", "king 1 2 3\n. . . 4 5 6\n\u00a0 1 1 1\n")
    assert table.words == ["king", ". . .", "\u00a0"]
    assert "glove.txt:2" in str(warned[0].message)


def test_duplicates_keep_the_first(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="occur twice") as warned:
        table = opened(tmp_path / "vectors.txt", "3 3\nking 1 2 3\nking 9 9 9\nqueen 4 5 6\n")
    assert table.words == ["king", "queen"]
    np.testing.assert_array_equal(table.matrix, ROWS)
    assert "vectors.txt:3" in str(warned[0].message)


def test_more_vectors_than_the_header_says(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="more vectors than its first line says"):
        assert len(opened(tmp_path / "vectors.txt", "1 3\nking 1 2 3\nqueen 4 5 6\n")) == 2


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("king nan 2 3\n", 1),
        ("2 3\nking 1 2 3\nqueen 1 -inf 3\n", 3),
        ("king 1 2 3\nqueen 1 1e39 3\n", 2),
        ("0 3\nking 1 2 3\n", 1),
        ("-2 3\nking 1 2 3\n", 1),
        ("2 0\nking\n", 1),
        ("2 -3\nking 1 2 3\n", 1),
        ("2 99999999999\nking 1 2 3\n", 1),
        ("king 1 2 3\nqueen 4 5\n", 2),
        ("king 1 2 3\nqueen 4 5 6x\n", 2),
        ("king 1 2 3\n1 2 3\n", 2),
        (b"king 1 2 3\nqu\xff 1 2 3\n", 2),
    ],
)
def test_broken_text_names_its_line(content: str | bytes, line: int, tmp_path: Path) -> None:
    with pytest.raises(seqloom.SeqloomError) as raised:
        opened(tmp_path / "vectors.txt", content)
    assert raised.value.where == f"{tmp_path / 'vectors.txt'}:{line}"


@pytest.mark.parametrize(
    "content",
    [
        binary("king", "queen", header="1000000000000 3"),
        binary("king", "queen", header="3 3"),
        binary("king", "queen", header="1 3"),
        binary("king", "queen", header="-2 3"),
        binary("king", "queen", header="2 0"),
        binary("king", "queen", header="2 -3"),
        binary("king", "queen", header="2 1000000000000"),
        binary("king", "queen", rows=np.float32([[1, 2, 3], [np.nan, 0, 0]])),
        binary("king", b"qu\xff"),
        binary("king", "queen")[:-6],
        b"",
        b"king 1 2 3\n",
    ],
)
def test_broken_binary_files(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(seqloom.SeqloomError):
        opened(tmp_path / "vectors.bin", content)


def test_words_that_are_cut_inside_a_character(tmp_path: Path) -> None:
    for name, content in (("v.bin", binary("king", b"qu\xc3")), ("v.txt", b"king 1 2 3\nqu\xc3 4 5 6\n")):
        (tmp_path / name).write_bytes(content)
        assert seqloom.Vectors.open(tmp_path / name, unicode_errors="ignore").words == ["king", "qu"]
        assert seqloom.Vectors.open(tmp_path / name, unicode_errors="replace").words == ["king", "qu\ufffd"]
        with pytest.raises(seqloom.SeqloomError, match="not UTF-8") as raised:
            seqloom.Vectors.open(tmp_path / name)
        assert "unicode_errors" in str(raised.value)


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_some_of_the_words(name: str, tmp_path: Path) -> None:
    table = VectorTable(["king", "queen", "ship"], np.arange(9, dtype=np.float32).reshape(3, 3))
    write_vectors(table, tmp_path / name, binary=name.endswith("bin"))
    assert seqloom.Vectors.open(tmp_path / name, first=2).words == ["king", "queen"]
    some = seqloom.Vectors.open(tmp_path / name, only=["ship", "king", "whale"])
    assert some.words == ["king", "ship"]
    np.testing.assert_array_equal(some.matrix, table.matrix[[0, 2]])
    with pytest.raises(seqloom.RequestError, match="none of the requested words"):
        seqloom.Vectors.open(tmp_path / name, only=["whale"])


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_compressed_files_that_are_cut_off(name: str, suffix: str, packed: object, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    table = VectorTable([f"w{i}" for i in range(400)], rows)
    write_vectors(table, tmp_path / name, binary=name.endswith("bin"))
    whole = packed((tmp_path / name).read_bytes())  # type: ignore[operator]
    path = tmp_path / (name + suffix)
    path.write_bytes(whole)
    np.testing.assert_array_equal(open_vectors(path).matrix, rows)
    for size in (3, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(seqloom.SeqloomError):
            open_vectors(path)


@hypothesis.given(number=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float_survives(number: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("v") / "v.txt"
    write_vectors(VectorTable(["w"], np.float32([[number, 1]])), path, binary=False)
    assert open_vectors(path).matrix.view(np.uint32)[0, 0] == np.float32(number).view(np.uint32)


TEXT = b"3 3\nking 1 2 3\nqueen 4 -5.5 6e-2\n\xc3\xa9t\xc3\xa9 7 8 9\n"
damage = st.lists(st.tuples(st.integers(0, 80), st.binary(max_size=4), st.integers(0, 6)), min_size=1, max_size=4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz", "v.bin.xz"])
@hypothesis.given(edits=damage)
@hypothesis.settings(max_examples=150)
def test_any_damage_is_an_error_or_finite_vectors(
    name: str, edits: list[tuple[int, bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = binary("king", "queen") if ".bin" in name else TEXT
    content = (
        gzip.compress(content) if name.endswith("gz") else lzma.compress(content) if name[-2:] == "xz" else content
    )
    for place, new, removed in edits:
        content = content[:place] + new + content[place + removed :]
    path = tmp_path_factory.mktemp("vectors") / name
    path.write_bytes(content)
    try:
        table = open_vectors(path)
    except seqloom.SeqloomError:
        return
    assert np.isfinite(table.matrix).all()
    assert len(set(table.words)) == len(table.matrix)
