"""Writes ARPA files: lines of probability, words and back-off weight, formatted by compiled code on several threads."""

from __future__ import annotations

import gzip
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled, inlined
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.data.word_table import WordTable
from seqloom.errors import RequestError
from seqloom.files import writing
from seqloom.models.ngram.store import Store
from seqloom.processors import num_threads

NAMES = {UNK: "<unk>", SOS: "<s>", EOS: "</s>"}
"""The names of the special tokens in ARPA files."""

_ROWS_AT_ONCE = 1 << 16


def write_model(store: Store, tokens: Sequence[str], path: Path) -> None:
    """Writes a model; a file `.gz` is compressed. `tokens` is the vocabulary in order of ids.

    Numbers have seven decimals, enough to distinguish all float32 values. <pad> is not a word and is left out.
    """
    words = WordTable.of(_arpa_words(tokens))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with _opened(temporary, compressed=path.suffix == ".gz") as stream:
                stream.write(_header(store))
                for n in range(store.order):
                    stream.write(f"\\{n + 1}-grams:\n".encode())
                    for block in _blocks(store, words, n):
                        stream.write(block.data)
                    stream.write(b"\n")
                stream.write(b"\\end\\\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _opened(path: Path, compressed: bool) -> Any:
    return gzip.open(path, "wb", compresslevel=6) if compressed else path.open("wb")


def _header(store: Store) -> bytes:
    sizes = [int(size) - (n == 0) for n, size in enumerate(store.sizes)]
    return ("\\data\\\n" + "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, 1)) + "\n").encode()


def _arpa_words(tokens: Sequence[str]) -> list[str]:
    """The words as ARPA files have them. Whitespace, which separates fields, is replaced by its code points."""
    words = ["".join(f"<U+{ord(c):04X}>" if c.isspace() else c for c in token) for token in tokens]
    words = [NAMES.get(i, word) for i, word in enumerate(words)]
    if len(set(words)) < len(words):
        seen: set[str] = set()
        duplicate = next(word for word in words if word in seen or seen.add(word))  # type: ignore[func-returns-value]
        raise RequestError("two words of the vocabulary would look the same in an ARPA file", got=duplicate)
    return words


def _blocks(store: Store, words: WordTable, level: int) -> Iterator[NDArray[np.uint8]]:
    """Blocks with the lines of a level, formatted ahead of writing."""
    starts = np.array(store.starts())
    first, last = int(starts[level]) + (PAD + 1 if level == 0 else 0), int(starts[level + 1])
    arrays = (store.words, store.log_probs, store.backoffs, store.begin, starts, words.text, words.ends)
    with ThreadPoolExecutor(num_threads()) as pool:
        ahead: deque[Future[NDArray[np.uint8]]] = deque()
        for start in range(first, last, _ROWS_AT_ONCE):
            ahead.append(pool.submit(_lines, *arrays, level, start, min(start + _ROWS_AT_ONCE, last)))
            if len(ahead) > 2 * num_threads():
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@compiled
def _lines(
    words: Array,
    log_probs: Array,
    backoffs: Array,
    begin: Array,
    starts: Array,
    text: Array,
    ends: Array,
    level: int,
    first: int,
    last: int,
) -> Array:
    """The nodes `first` to `last` of a level, as lines of text."""
    path = np.empty(level + 1, np.int64)
    path[level] = first
    for n in range(level - 1, -1, -1):
        # The last node whose children begin at or before the node below.
        low, high = starts[n], starts[n + 1]
        while high - low > 1:
            middle = (low + high) >> 1
            if begin[middle] <= path[n + 1]:
                low = middle
            else:
                high = middle
        path[n] = low
    out = np.empty((last - first) * (48 + 16 * (level + 1)), np.uint8)
    above = np.empty(64, np.uint8)  # the words before the last one, shared by many lines
    size, length = 0, -1
    for node in range(first, last):
        path[level] = node
        for n in range(level - 1, -1, -1):
            if begin[path[n] + 1] > path[n + 1]:
                break
            while begin[path[n] + 1] <= path[n + 1]:
                path[n] += 1
            length = -1
        if length < 0:
            length = 0
            for n in range(level):
                word = np.int64(words[path[n]])
                start, stop = ends[word - 1], ends[word]
                if length + stop - start + 1 > above.shape[0]:
                    above = _larger(above, length + stop - start + 1)
                for i in range(start, stop):
                    above[length] = text[i]
                    length += 1
                above[length] = 32
                length += 1
        word = np.int64(words[node])
        start, stop = ends[word - 1], ends[word]
        if size + length + stop - start + 64 > out.shape[0]:
            out = _larger(out, size + length + stop - start + 64)
        size = _decimal(log_probs[node], out, size)
        out[size] = 9
        size += 1
        for i in range(length):
            out[size + i] = above[i]
        size += length
        for i in range(start, stop):
            out[size] = text[i]
            size += 1
        if node < backoffs.shape[0]:
            out[size] = 9
            size = _decimal(backoffs[node], out, size + 1)
        out[size] = 10
        size += 1
    return out[:size]


@inlined
def _larger(array: Array, least: int) -> Array:
    larger = np.empty(max(least, 2 * array.shape[0]), np.uint8)
    larger[: array.shape[0]] = array
    return larger


@inlined
def _decimal(number: Any, out: Array, at: int) -> int:
    """Writes the number with up to seven decimals; returns the position of its end."""
    value = np.float64(number)
    if value < 0:
        value = -value
        out[at] = 45
        at += 1
    scaled = np.uint64(value * 1e7 + 0.5)
    integer, fraction = scaled // np.uint64(10_000_000), scaled % np.uint64(10_000_000)
    digits, left = 1, integer
    while left >= np.uint64(10):
        left //= np.uint64(10)
        digits += 1
    for i in range(digits - 1, -1, -1):
        out[at + i] = 48 + integer % np.uint64(10)
        integer //= np.uint64(10)
    at += digits
    if not fraction:
        return at
    out[at] = 46
    for i in range(7, 0, -1):
        out[at + i] = 48 + fraction % np.uint64(10)
        fraction //= np.uint64(10)
    at += 7
    while out[at] == 48:
        at -= 1
    return at + 1


@compiled
def decimal(number: float, out: Array) -> int:
    """Writes `number` as `write_model` does; for tests."""
    return _decimal(number, out, 0)
