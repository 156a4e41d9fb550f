"""Paragraph vectors: documents of a topic stand together, whatever way they are trained; inference finds them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqloom.config import build
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SPECIALS
from seqloom.errors import RequestError
from seqloom.models.word_vectors.kinds import KINDS
from seqloom.models.word_vectors.paragraphs import ParagraphVectors
from seqloom.processors import set_num_threads

FIRST, TOPIC_WORDS, COMMON_WORDS, DOCUMENTS = len(SPECIALS), 6, 20, 60
MODELS = [name for name, kind in KINDS.items() if kind.has_documents]
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tree": {"objective": "hierarchical-softmax"},
    "subwords": {"subwords__longest": 4, "subwords__buckets": 300},
    "deterministic": {"deterministic": True, "subwords__longest": 4, "subwords__buckets": 300},
}


def documents(seed: int = 3, lines: int = DOCUMENTS) -> TokenFile:
    """Half of the words are common ones; the others are of one topic where the number of the document is even, and of
    another where it is odd."""
    rng = np.random.default_rng(seed)
    common = 2 * TOPIC_WORDS + rng.integers(COMMON_WORDS, size=(lines, 30))
    topic = TOPIC_WORDS * (np.arange(lines) % 2)[:, None] + rng.integers(TOPIC_WORDS, size=(lines, 30))
    rows = FIRST + np.where(rng.random((lines, 30)) < 0.5, common, topic)
    ids = np.concatenate([np.append(row, EOS) for row in rows]).astype(np.uint16)
    return TokenFile(ids, np.arange(lines + 1) * 31, 0, 0)


def made(name: str, **settings: Any) -> ParagraphVectors:
    rate = 0.3 if name == "pv-dm" else 0.1
    values = {"dim": 10, "window": 2, "sample": 0, "learning_rate": rate, "inference_passes": 40}
    values |= {key.replace("__", "."): value for key, value in settings.items()}
    model = KINDS[name](build(KINDS[name].settings, values))
    assert isinstance(model, ParagraphVectors)
    tokens = [*SPECIALS, *(f"word{word}" for word in range(2 * TOPIC_WORDS + COMMON_WORDS))]
    model.initialise(documents(), tokens, seed=1)
    model.names = [f"document {line}" for line in range(DOCUMENTS)]
    return model


def trained(name: str, epochs: int = 40, **settings: Any) -> ParagraphVectors:
    model = made(name, **settings)
    for epoch in range(epochs):
        for step in range(model.num_steps()):
            model.step(epoch, step, epoch / epochs)
    return model


def share_of_same_topic(queries: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> float:
    """Of the nearest row of each query, without the row of the same number."""
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (queries, rows)]
    cosines = units[0] @ units[1].T
    np.fill_diagonal(cosines, -2)
    return float((cosines.argmax(1) % 2 == np.arange(len(queries)) % 2).mean())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_documents_of_a_topic_stand_together(name: str, way: str) -> None:
    begun = made(name, **WAYS[way]).measure(documents(seed=4))
    model = trained(name, **WAYS[way])
    assert share_of_same_topic(model.documents(), model.documents()) > 0.9
    nats, windows = model.measure(documents(seed=4))
    assert nats < 0.98 * begun[0] or way == "tree", "which learns so small a text by heart"
    assert windows == begun[1], "the second half of each document"
    new = documents(seed=4)
    inferred = model.infer(new.ids, new.offsets)
    assert share_of_same_topic(inferred, model.documents()) > 0.9
    np.testing.assert_array_equal(inferred, model.infer(new.ids, new.offsets))
    alone = model.infer(new.ids[31:62], np.array([0, 31]))
    np.testing.assert_array_equal(alone[0], inferred[1], "a vector depends on its document alone")


def test_words_are_trained_if_they_are_to_be(tmp_path: Path) -> None:
    words = trained("pv-dbow").vectors()[FIRST:]
    units = words / np.linalg.norm(words, axis=1, keepdims=True)
    cosines = units @ units.T
    assert (
        cosines[:TOPIC_WORDS, :TOPIC_WORDS].mean() > cosines[:TOPIC_WORDS, TOPIC_WORDS : 2 * TOPIC_WORDS].mean() + 0.2
    )
    model = trained("pv-dbow", word_vectors=False)
    assert share_of_same_topic(model.documents(), model.documents()) > 0.9
    model.save(tmp_path)
    opened = KINDS["pv-dbow"](model.config)
    opened.open(tmp_path)
    assert "vectors" not in opened.arrays
    assert opened.num_parameters() == model.num_parameters()


def test_only_vectors_of_words_have_character_ngrams() -> None:
    with pytest.raises(RequestError, match="changes nothing"):
        made("pv-dbow", word_vectors=False, subwords__longest=4)


@pytest.mark.parametrize("name", MODELS)
def test_equal_for_any_number_of_threads(name: str) -> None:
    results = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            model = trained(name, epochs=2, **WAYS["deterministic"])
            results.append((model.documents().copy(), *model.measure(documents(seed=4))))
    finally:
        set_num_threads(1)
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1:] == pytest.approx(results[1][1:])


@pytest.mark.parametrize("way", ["plain", "subwords"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_is_what_was_trained(name: str, way: str, tmp_path: Path) -> None:
    model = trained(name, epochs=3, **WAYS[way])
    model.save(tmp_path)
    opened = KINDS[name](model.config)
    assert isinstance(opened, ParagraphVectors)
    opened.open(tmp_path)
    assert opened.names == model.names
    np.testing.assert_array_equal(opened.documents(), model.documents())
    assert opened.num_parameters() == model.num_parameters()
    new = documents(seed=4)
    np.testing.assert_allclose(
        opened.infer(new.ids, new.offsets), model.infer(new.ids, new.offsets), rtol=1e-4, atol=1e-5
    )
    (tmp_path / "again").mkdir()
    opened.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_continued_with_other_documents(name: str, tmp_path: Path) -> None:
    model = trained(name, epochs=3)
    model.save(tmp_path)
    other = made(name)
    assert "new documents" in other.begin_from(tmp_path)
    np.testing.assert_array_equal(other.vectors(), model.vectors())
    assert not np.array_equal(other.documents(), model.documents())


def test_documents_without_known_words_have_no_vector() -> None:
    model = trained("pv-dbow", epochs=1)
    ids = np.array([EOS, 1, EOS, FIRST, EOS], np.uint16)
    inferred = model.infer(ids, np.array([0, 1, 3, 5]))
    assert not inferred[:2].any()
    assert inferred[2].any()
    assert model.infer(ids[:0], np.array([0])).shape == (0, 10)
