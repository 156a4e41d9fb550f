"""Broken files that other programs write: ARPA, word2vec, GloVe and fastText."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.formats.arpa.read import read_model
from seqloom.formats.fasttext import write_fasttext
from seqloom.formats.vector_sources import dim_of
from seqloom.formats.word2vec import write_vectors
from seqloom.models.ngram.model import NgramModel
from seqloom.models.word_vectors.subwords import SubwordSettings
from seqloom.models.word_vectors.table import NGramVectors, VectorTable
from tests.faults.campaign import campaign, random_for, rounds
from tests.faults.children import Answer, answer_to, try_inputs
from tests.faults.commands import call, silence
from tests.faults.mutation import mutated

ARPA = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.8\tking\t-0.2
-0.9\tn\u00e4ive

\\2-grams:
-0.4\t<s> king\t-0.1
-0.5\tking n\u00e4ive
-0.6\tking </s>

\\3-grams:
-0.3\t<s> king </s>

\\end\\
"""


def write_arpa(path: Path) -> None:
    path.write_text(ARPA, encoding="utf-8")


def write_glove(path: Path) -> None:
    path.write_text("king 0.1 0.2 0.3\n. . . 0.4 -0.5 6e-1\nn\u00e4ive 1 2 3\n", encoding="utf-8")


def _table() -> VectorTable:
    numbers = np.random.default_rng(1)
    vectors, ngrams = (numbers.normal(size=(size, 4)).astype(np.float32) for size in (3, 20))
    settings = SubwordSettings(longest=4, shortest=3, buckets=20)
    return VectorTable(["king", "n\u00e4ive", "a"], vectors, np.array([9, 4, 1]), NGramVectors(ngrams, settings))


FILES: dict[str, Callable[[Path], object]] = {
    "x.arpa": write_arpa,
    "x.txt": lambda path: write_vectors(_table(), path, binary=False),
    "x.bin": lambda path: write_vectors(_table(), path, binary=True),
    "fasttext.bin": lambda path: write_fasttext(_table(), path),
    "glove.txt": write_glove,
}


def read_ngrams(path: Path) -> None:
    model = read_model(path)
    NgramModel.of(model.store).save(path.parent)


def read_vectors(path: Path) -> None:
    assert dim_of(str(path)) > 0
    vectors = seqloom.Vectors.open(path)
    vectors.similar("king", 2)
    vectors.similarity("king", "n\u00e4ive")


@pytest.mark.parametrize("name", FILES)
def test_broken_model_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    before, path = len(campaign.failures), tmp_path / name
    FILES[name](path)
    good = path.read_bytes()
    read = read_ngrams if name.endswith(".arpa") else read_vectors
    read(path)  # what is whole is read; loops are compiled here, once

    def content(number: int) -> bytes:
        return mutated(good, random_for(name, number), [good])

    def work(number: int) -> Answer:
        path.write_bytes(content(number))
        kind, what = answer_to(lambda: read(path) or 0, len(good))
        return kind, f"{name}: {what}"

    try_inputs(name, rounds(0.1 / len(FILES), per_second=300), content, work)
    campaign.check(before)


def test_import_refuses_broken_files(tmp_path: Path) -> None:
    """By the command, which writes a run."""
    before, path = len(campaign.failures), tmp_path / "x.arpa"
    write_arpa(path)
    good = path.read_bytes()

    def content(number: int) -> bytes:
        return mutated(good, random_for("import", number), [good])

    def work(number: int) -> Answer:
        silence(tmp_path / "errors")
        path.write_bytes(content(number))
        out = tmp_path / f"run-{number}"
        kind, what = answer_to(lambda: call("import FILE --out RUN", {"FILE": path, "RUN": out}), len(good))
        if kind == "refused" and out.exists():
            kind, what = "tracebacks", "half a run was left"
        return kind, f"import: {what}"

    try_inputs("import", rounds(0.02, per_second=20), content, work)
    campaign.check(before)
