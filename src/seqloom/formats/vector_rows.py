"""Words and vectors as they are read from a file: selection, duplicates, and numbers that are not finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError, SeqloomError, warn
from seqloom.models.word_vectors.table import VectorTable

UnicodeErrors = Literal["strict", "replace", "ignore"]
MAX_DIM = 1 << 20
_FIRST_NUMBERS = 1 << 18


class Selection(NamedTuple):
    """The words to read from a file. `first`: this many from its beginning (0: all); `only`: these words (None: all).
    `unicode_errors`: for bytes that are not UTF-8, an error (`strict`), a replacement character or nothing."""

    first: int = 0
    only: frozenset[str] | None = None
    unicode_errors: UnicodeErrors = "strict"


ALL = Selection()


class VectorRows:
    """Collects words and vectors. Memory grows with the lines read, whatever the header of the file says."""

    def __init__(self, path: str, dim: int, selection: Selection) -> None:
        self.path, self.dim, self._selection = path, dim, selection
        self._places: dict[str, int] = {}
        self._matrix = np.empty((max(1, _FIRST_NUMBERS // dim), dim), np.float32)
        self._num_read = self._num_duplicates = self._num_with_whitespace = 0
        self._first_duplicate = self._first_with_whitespace = ("", "")

    def add(self, word: bytes, vector: NDArray[np.float32], where: str) -> bool:
        """Adds a word and returns whether it is selected and new. Raises SeqloomError if it is not UTF-8 or a number is
        not finite."""
        self._num_read += 1
        try:
            text = word.decode(errors=self._selection.unicode_errors)
        except UnicodeDecodeError as error:
            raise SeqloomError(
                "a word is not UTF-8 text",
                where=where,
                got=repr(word[:40]),
                hint="words may be truncated inside a character: read the file with unicode_errors=replace or ignore",
            ) from error
        if self._selection.only is not None and text not in self._selection.only:
            return False
        if not np.isfinite(vector).all():
            raise SeqloomError("a vector is not finite", where=where, got=f"that of {text!r}")
        if text in self._places:
            self._first_duplicate = self._first_duplicate if self._num_duplicates else (text, where)
            self._num_duplicates += 1
            return False
        if len(text.split()) > 1:
            self._first_with_whitespace = self._first_with_whitespace if self._num_with_whitespace else (text, where)
            self._num_with_whitespace += 1
        size = len(self._places)
        if size == len(self._matrix):
            larger = np.empty((2 * size, self.dim), np.float32)
            larger[:size] = self._matrix
            self._matrix = larger
        self._matrix[size] = vector
        self._places[text] = size
        return True

    def is_complete(self) -> bool:
        """Whether all selected words have been read."""
        first, only = self._selection.first, self._selection.only
        return bool(first and self._num_read >= first) or (only is not None and len(self._places) == len(only))

    def table(self) -> VectorTable:
        """The words read, with warnings about probable mistakes. Raises SeqloomError if there are none."""
        if not self._places:
            if self._num_read:
                raise RequestError("none of the requested words has a vector", where=self.path)
            raise SeqloomError("the file has no vectors", where=self.path, expected="a word and numbers on each line")
        if self._num_duplicates:
            word, where = self._first_duplicate
            warn(
                "words occur twice in a file of vectors; the first vector of each is used",
                where=where,
                got=f"{word!r} again, {self._num_duplicates:,} words in all",
            )
        if self._num_with_whitespace:
            word, where = self._first_with_whitespace
            warn(
                "words in a file of vectors contain whitespace; the last fields of a line are read as its vector",
                where=where,
                got=f"{word!r}, {self._num_with_whitespace:,} words in all",
                expected=f"{self.dim} numbers after the word",
            )
        size = len(self._places)
        matrix = self._matrix if size == len(self._matrix) else self._matrix[:size].copy()
        return VectorTable(list(self._places), matrix, source=self.path)


def check_dim(dim: int, where: str) -> None:
    if not 0 < dim <= MAX_DIM:
        raise SeqloomError(
            "the dimension of the vectors is out of range", where=where, got=dim, expected=f"1 to {MAX_DIM:,}"
        )


def check_size(size: int, where: str) -> None:
    if size <= 0:
        raise SeqloomError("the number of vectors is out of range", where=where, got=size, expected="1 or more")


def selected(first: int = 0, words: Iterable[str] | None = None, unicode_errors: UnicodeErrors = "strict") -> Selection:
    """A checked selection. Raises RequestError if an argument is invalid."""
    if first < 0:
        raise RequestError("the number of words is out of range", where="first", got=first, expected="0 or more")
    if unicode_errors not in ("strict", "replace", "ignore"):
        raise RequestError(
            "the handling of bytes that are not UTF-8 is unknown",
            where="unicode_errors",
            got=unicode_errors,
            expected="strict, replace or ignore",
        )
    return Selection(first, None if words is None else frozenset(words), unicode_errors)
