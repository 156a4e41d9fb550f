"""Counts of all n-grams of a text: in memory, or by sorted runs on disk that are merged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.errors import SeqloomError
from seqloom.files import writing
from seqloom.models.ngram.merging import Rows, merged, write_run
from seqloom.models.ngram.suffix_sort import MAX_PLACES, sort_places, windows
from seqloom.models.ngram.trie import Trie

_ROWS_AT_ONCE = 1 << 18
_BYTES_PER_PLACE = 32
"""The arrays that sorting needs: ids, positions, group marks and keys."""
_MIN_PLACES = 1 << 12
_MAX_NODES = 2**32 - 2


class Counts(NamedTuple):
    """`counts[n]`: the number of occurrences of each n-gram of the trie's level n."""

    trie: Trie
    counts: list[NDArray[Any]]


def count(tokens: TokenFile, order: int, vocab_size: int, memory_bytes: int) -> Counts:
    """Counts all n-grams up to `order` of the lines, each as `<sos> w1 .. wn <eos>`.

    If the text does not fit in `memory_bytes`, its parts are sorted separately and written to disk, and the result is
    memory-mapped.
    """
    unigrams = tokens.counts(vocab_size)
    unigrams[UNK] += unigrams[PAD] + unigrams[SOS]
    unigrams[PAD], unigrams[SOS] = 0, tokens.num_lines
    if order == 1:
        return Counts(Trie([np.arange(vocab_size, dtype=np.uint32)], [], []), [unigrams])
    places = min(MAX_PLACES, max(_MIN_PLACES, memory_bytes // _BYTES_PER_PLACE))
    if len(tokens) < places:
        return _grown(_sorted_rows(_text(tokens, 0, tokens.num_lines), order, vocab_size), order, unigrams, None)
    scratch = Path(tempfile.mkdtemp(prefix="seqloom-ngram-"))
    try:
        runs = []
        for number, (first, last) in enumerate(_parts(tokens, places)):
            rows = _sorted_rows(_text(tokens, first, last), order, vocab_size)
            runs.append(write_run(rows, scratch / f"run-{number}", order))
        return _grown(merged(runs, order), order, unigrams, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # mapped files stay readable until they are released


def _parts(tokens: TokenFile, places: int) -> Iterator[tuple[int, int]]:
    """Ranges of lines with at most `places` tokens."""
    first = 0
    while first < tokens.num_lines:
        limit = int(tokens.offsets[first]) + places - 1
        last = int(np.searchsorted(tokens.offsets, limit, side="right")) - 1
        if last <= first:
            length = int(tokens.offsets[first + 1] - tokens.offsets[first])
            if length >= MAX_PLACES:
                raise SeqloomError("a line is too long to count", got=f"{length} tokens", expected=f"< {MAX_PLACES}")
            last = first + 1
        yield first, last
        first = last


def _text(tokens: TokenFile, first: int, last: int) -> NDArray[np.uint32]:
    start, stop = int(tokens.offsets[first]), int(tokens.offsets[last])
    text = np.empty(stop - start + 1, np.uint32)
    text[0] = EOS
    text[1:] = tokens.ids[start:stop]
    text[(text == PAD) | (text == SOS)] = (
        UNK  # words that look like special tokens, whose ids have a meaning in windows
    )
    return text


def _sorted_rows(text: NDArray[np.uint32], order: int, vocab_size: int) -> Iterator[Rows]:
    places, group_start = sort_places(text, order, vocab_size)
    first = 0
    while first < len(places):
        last = min(first + _ROWS_AT_ONCE, len(places))
        while last < len(places) and not group_start[last]:
            last += 1
        yield windows(text, places, group_start, first, last, order)
        first = last


class _Column:
    """An array that is built block by block: in memory, or in a file that is memory-mapped at the end."""

    def __init__(self, path: Path | None, dtype: type[np.generic]) -> None:
        self._path, self._dtype = path, np.dtype(dtype)
        self._blocks: list[NDArray[Any]] = []

    def add(self, block: NDArray[Any]) -> None:
        if self._path is None:
            self._blocks.append(block.astype(self._dtype))
            return
        with writing(self._path), self._path.open("ab") as stream:
            stream.write(block.astype(self._dtype).tobytes())

    def finish(self) -> NDArray[Any]:
        if self._path is None:
            array = np.concatenate([np.zeros(0, self._dtype), *self._blocks])
            self._blocks.clear()
            return array
        empty = not self._path.exists() or not self._path.stat().st_size
        return np.zeros(0, self._dtype) if empty else np.memmap(self._path, self._dtype, mode="c")


def _grown(blocks: Iterator[Rows], order: int, unigrams: NDArray[np.int64], scratch: Path | None) -> Counts:
    """The trie of sorted, distinct rows, which arrive block by block."""

    def column(name: str, level: int, dtype: type[np.generic]) -> _Column:
        return _Column(scratch / f"{name}-{level}" if scratch is not None else None, dtype)

    words = [column("words", n, np.uint32) for n in range(order)]
    counts = [column("counts", n, np.uint32) for n in range(order)]
    begins = [column("begin", n, np.uint32) for n in range(order)]
    path = np.zeros((3, order), np.int64)  # the open node of each level: its word, count, and its first child
    sizes = np.zeros(order + 1, np.int64)
    last = np.zeros(order, np.uint32)
    for rows, row_counts in blocks:
        room = len(rows) + 1
        out = np.empty((order, 3, room), np.int64)
        filled = _grow(rows, row_counts, path, sizes, last, out)
        if sizes.max() > _MAX_NODES:
            raise SeqloomError("there are too many n-grams of one order", expected=f"at most {_MAX_NODES}")
        for n in range(order):
            for part, columns in enumerate((words, counts, begins)):
                columns[n].add(out[n, part, : filled[n]])
    for n in range(order):
        if sizes[n]:
            for part, columns in enumerate((words, counts, begins)):
                columns[n].add(path[part, n : n + 1])
        begins[n].add(sizes[n + 1 : n + 2])
    vocabulary = np.arange(len(unigrams), dtype=np.uint32)
    trie = Trie([vocabulary, *(words[n].finish() for n in range(1, order))], [], [])
    # Level 1 has every word of the vocabulary, also words that no word follows.
    above, first_begin = words[0].finish(), begins[0].finish()
    children = np.zeros(len(unigrams) + 1, np.int64)
    children[above.astype(np.int64) + 1] = np.diff(first_begin.astype(np.int64))
    trie.begin = [children.cumsum().astype(np.uint32), *(begins[n].finish() for n in range(1, order - 1))]
    return Counts(trie, [unigrams, *(counts[n].finish() for n in range(1, order))])


@compiled
def _grow(rows: Array, counts: Array, path: Array, sizes: Array, last: Array, out: Array) -> Array:
    """Appends rows to the trie. A node is written when the next one of its level begins. `sizes`: the number of nodes
    of each level that have begun. Returns how many nodes of each level were written."""
    order = rows.shape[1]
    filled = np.zeros(order, np.int64)
    for i in range(rows.shape[0]):
        row = rows[i]
        same = 0
        if sizes[0]:
            while same < order and row[same] == last[same]:
                same += 1
        for n in range(order):
            if n > 0 and row[n] == 0:
                break
            if n >= same:
                if sizes[n]:
                    for part in range(3):
                        out[n, part, filled[n]] = path[part, n]
                    filled[n] += 1
                path[0, n], path[1, n], path[2, n] = row[n], 0, sizes[n + 1]
                sizes[n] += 1
            path[1, n] += counts[i]
        last[:] = row
    return filled
