"""Vectors of words of any run or file, and of documents: nearest neighbours, analogies, evaluation, saving."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.readers import readers
from seqloom.errors import RequestError, SeqloomError
from seqloom.files import read_lines
from seqloom.formats.vector_rows import UnicodeErrors, selected
from seqloom.formats.vector_sources import open_documents, open_vectors
from seqloom.formats.word2vec import write_vectors
from seqloom.metrics.analogies import Share
from seqloom.metrics.similarity import Similarity, similarity
from seqloom.models.word_vectors.sentences import How, sentence_rows
from seqloom.models.word_vectors.table import VectorTable
from seqloom.run.notebook import fact_table
from seqloom.run.run import Run, load

if TYPE_CHECKING:
    from seqloom.models.word_vectors.index import IndexFacts

_AT_ONCE = 1_024


class AnalogyScores(NamedTuple):
    """The share of questions answered correctly: `total` for all, and one for each section."""

    total: Share
    sections: dict[str, Share]


class Vectors(VectorTable):
    """Words and their vectors: `similar`, `analogy`, `doesnt_match`, `similarity`, `nearest` for many at once."""

    def __repr__(self) -> str:
        source = f", source={self.source}" if self.source else ""
        return f"{type(self).__name__}({self.entry}s={len(self):,}, dim={self.dim}{source})"

    def _repr_html_(self) -> str:
        """The number of words, their dimension and a few of the words, for notebooks."""
        words = ", ".join(itertools.islice(self.words, 8))
        size, first = f"{self.entry}s", f"first {self.entry}s"
        facts = {size: f"{len(self):,}", "dim": self.dim, "source": self.source, first: words}
        return fact_table(facts)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        first: int = 0,
        only: Iterable[str] | None = None,
        unicode_errors: UnicodeErrors = "strict",
        documents: bool = False,
    ) -> Vectors:
        """Opens the vectors of a run (of any task whose model has a vector for each token; memory-mapped) or of a file:
        word2vec's text and binary (`.bin`) formats, fastText's `.vec` and `.bin`, GloVe's; also `.gz` and `.xz`.

        `first`: read only so many words, the first ones of a file, the most frequent ones of a run; 0: all.
        `only`: read only these words. `unicode_errors`: what happens at a word that is not UTF-8: `strict` raises
        SeqloomError, `replace` and `ignore` do what they do in `bytes.decode`.
        `documents`: open the vectors of the documents of a run of paragraph vectors, by their names."""
        selection = selected(first, only, unicode_errors)
        if documents:
            table = open_documents(path, selection)
            return DocumentVectors(table.words, table.matrix, source=table.source)
        table = open_vectors(path, selection)
        return cls(table.words, table.matrix, table.counts, table.ngrams, table.source)

    def use_index(self, folder: str | Path) -> IndexFacts:
        """From now on, nearest neighbours among all words are searched in an index in `folder`, approximately and much
        faster. If the folder does not exist, the index is built and saved there.

        Returns the size of the index, and which share of the exact nearest neighbours it found when it was built."""
        from seqloom.models.word_vectors.index import build_index, open_index

        folder = Path(folder)
        index = open_index(self, folder) if folder.exists() else build_index(self, folder)
        self.index = index
        return index.facts

    def save(self, path: str | Path) -> int:
        """Writes word2vec's format: binary if the name ends in `.bin`, otherwise text. Words that contain whitespace
        are skipped. Returns the number of words written."""
        return write_vectors(self, Path(path), binary=str(path).endswith(".bin"))

    def sentence(self, sentences: Sequence[str], how: How = "mean") -> Float[NDArray[np.float32], "sentences dim"]:
        """A vector for each sentence of words separated by whitespace: `mean`, `sum` or `sif` (smooth inverse
        frequency)."""
        return sentence_rows(self, sentences, how)

    def evaluate_similarity(self, path: str) -> Similarity:
        """The correlation of cosines with human ratings, from a file of `word TAB word TAB score`."""
        rated = list(readers["rated-pairs"](path))
        first, second = (self.rows(pair[side] for pair in rated) for side in (0, 1))
        return similarity(first, second, [pair.score for pair in rated], where=path)

    def evaluate_analogies(self, path: str, most_words: int = 30_000) -> AnalogyScores:
        """Analogies from a file of lines such as `man king woman queen`: how often queen is the word nearest to
        king - man + woman (3CosAdd; Mikolov et al. 2013). Candidates are the `most_words` most frequent words (0: all)
        without the three of the question. A word that is not known is looked up in lowercase."""
        is_candidate = np.zeros(len(self), bool)
        is_candidate[self.frequent(most_words)] = True
        correct, answered, skipped = Counter[str](), Counter[str](), Counter[str]()
        questions = readers["analogies"](path)
        while block := list(itertools.islice(questions, _AT_ONCE)):
            known: list[tuple[str, list[int]]] = []
            for question in block:
                places = [self.place(word) for word in question[1:]]
                known_places = [place for place in places if place is not None and is_candidate[place]]
                if len(known_places) < 4:
                    skipped[question.section] += 1
                else:
                    known.append((question.section, known_places))
            answers = self._solve([places for _, places in known], most_words)
            for (section, known_places), answer in zip(known, answers, strict=True):
                answered[section] += 1
                correct[section] += answer == self.words[known_places[3]].lower()
        sections = {name: Share.of(correct[name], answered[name], skipped[name]) for name in answered | skipped}
        if not answered.total():
            raise SeqloomError(
                "no analogy consists of known words", where=path, got=f"{skipped.total()} with unknown words"
            )
        return AnalogyScores(Share.of(correct.total(), answered.total(), skipped.total()), sections)

    def _solve(self, questions: Sequence[Sequence[int]], most_words: int) -> list[str]:
        """The answer to each question, in lowercase."""
        if not questions:
            return []
        places = np.array(questions)
        units = self.matrix[places[:, :3]] / self._lengths[places[:, :3], None]
        nearest_words, _ = self.nearest((units[:, 1] - units[:, 0] + units[:, 2]).astype(np.float32), 4, most_words)
        answers = []
        for candidates, question in zip(nearest_words.tolist(), places[:, :3].tolist(), strict=True):
            answers.append(next((self.words[place].lower() for place in candidates if place not in question), ""))
        return answers


class DocumentVectors(Vectors):
    """The names of documents and their vectors, of a run of paragraph vectors. A text that is not the name of a
    document is a new document, whose vector is inferred."""

    entry = "document"

    @cached_property
    def _run(self) -> Run:
        return load(self.source)

    def place(self, word: str) -> int | None:
        """The row of the document with this name; None if there is none."""
        return self._places.get(word)

    def vector(self, word: str) -> NDArray[np.float32]:
        """(dim,): as `find`. Raises RequestError if no document has this name and the text has no known word."""
        try:
            return super().vector(word)
        except RequestError as error:
            raise RequestError(
                error.what, got="a text without known words",
                expected=f"the name of one of {len(self):,} documents, or a text", hint=error.hint,
            ) from None  # fmt: skip

    def find(self, word: str) -> NDArray[np.float32] | None:
        """(dim,): the vector of the document with this name, or else of the text; None if it has no known word."""
        place = self.place(word)
        if place is not None:
            return np.array(self.matrix[place], np.float32)
        vector: NDArray[np.float32] = self._run.embed([word])[0]
        return vector if vector.any() else None


def holds_analogies(path: str) -> bool:
    """Whether a file holds analogies, by its first line that is neither empty nor a comment."""
    first = next((line for line in read_lines(path) if line.strip() and not line.startswith("#")), "")
    if not first:
        raise RequestError("there is nothing to evaluate on", where=path, expected="analogies or rated pairs")
    return first.startswith(":") or len(first.split()) == 4
