"""An index of vectors: it finds nearly all exact neighbours, is opened again, and is refused for other vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from tests.support.command_line import CommandLine


def table(size: int = 3_000, seed: int = 1, zeros: int = 7) -> seqloom.Vectors:
    """Clusters of vectors; the vector `zeros` is zero."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(100, 16))
    matrix = (centres[rng.integers(100, size=size)] + rng.normal(size=(size, 16)) / 3).astype(np.float32)
    matrix[zeros] = 0
    return seqloom.Vectors([f"w{number}" for number in range(size)], matrix)


def near(vectors: seqloom.Vectors, word: str) -> list[str]:
    return [neighbour.word for neighbour in vectors.similar(word, 3)]


def test_it_finds_nearly_all_exact_neighbours(tmp_path: Path) -> None:
    vectors, exact = table(), table()
    facts = vectors.use_index(tmp_path / "index")
    assert facts.vectors == 3_000
    assert facts.recall > 0.97
    queries = np.array(exact.matrix[20:120])
    places, cosines = vectors.nearest(queries, 10)
    exact_places, exact_cosines = exact.nearest(queries, 10)
    share = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(places.tolist(), exact_places.tolist(), strict=True)])
    assert share > 0.97
    np.testing.assert_allclose(cosines[:, 0], exact_cosines[:, 0], rtol=1e-5)
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert near(vectors, "w1") == near(exact, "w1")
    assert vectors.nearest(queries, 5, most_words=40)[0].max() < 40, "some words are searched exactly"


def test_it_is_opened_again_and_only_for_these_vectors(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    built = table().use_index(folder)
    content = (folder / "index.safetensors").read_bytes()
    vectors = table()
    assert vectors.use_index(folder) == built
    assert (folder / "index.safetensors").read_bytes() == content
    assert near(vectors, "w5") == near(table(), "w5")
    with pytest.raises(seqloom.RequestError, match="other vectors"):
        table(seed=2).use_index(folder)
    with pytest.raises(seqloom.RequestError, match="other vectors"):
        table(size=2_999).use_index(folder)
    (folder / "index.safetensors").write_bytes(content[:-100])
    with pytest.raises(seqloom.RequestError, match="damaged"):
        table().use_index(folder)
    (tmp_path / "notes").mkdir()
    with pytest.raises(seqloom.RequestError, match="no index"):
        table().use_index(tmp_path / "notes")


class Unrelated:
    """A search that finds the first vectors, whatever they are."""

    def search(self, units: np.ndarray[Any, Any], top: int) -> np.ndarray[Any, Any]:
        return np.tile(np.arange(top), (len(units), 1))


def test_its_recall_is_that_of_exact_neighbours(tmp_path: Path) -> None:
    """Even if the vectors had another index before."""
    vectors = table()
    vectors.index = Unrelated()
    assert vectors.use_index(tmp_path / "index").recall > 0.97


def test_fewer_vectors_than_neighbours(tmp_path: Path) -> None:
    vectors = table(size=9)
    assert vectors.use_index(tmp_path / "index").recall == 1
    assert len(vectors.similar("w1", 20)) == 8
    assert table(size=1, zeros=0).use_index(tmp_path / "single").recall == 1


def test_the_command_says_what_it_finds(cli: CommandLine, tmp_path: Path) -> None:
    table(size=500).save(tmp_path / "words.bin")
    arguments = ["vectors", tmp_path / "words.bin", "similar", "w1", "--index", tmp_path / "index", "--json"]
    status, output, errors = cli(*arguments)
    assert status == 0, errors
    assert "an index of 500 words" in errors
    assert "% of the 10 nearest" in errors
    status, again, errors = cli(*arguments)
    assert (status, errors) == (0, "")
    assert json.loads(again) == json.loads(output)
    status, _, errors = cli("vectors", tmp_path / "words.bin", "similarity", "w1", "w2", "--index", tmp_path / "index")
    assert status == 2
    assert "--index" in errors
