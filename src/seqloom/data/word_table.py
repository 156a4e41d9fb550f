"""Compiled code that finds, counts and looks up words separated by whitespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled, inlined, prefetch
from seqloom.errors import SeqloomError
from seqloom.processors import over_ranges

_NEWLINE = 10
_EMPTY = -1
_LINES_WORTH_A_THREAD = 1 << 10


class WordTable(NamedTuple):
    """Words in one array of bytes; word i is `text[ends[i - 1]:ends[i]]`. `slots`: an open-addressing hash table of
    word numbers, -1 in empty slots."""

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    slots: NDArray[np.int32]

    @classmethod
    def of(cls, words: Sequence[str]) -> WordTable:
        """The table of distinct `words`; the number of a word is its position."""
        encoded = [word.encode() for word in words]
        text = np.frombuffer(
            bytearray().join(encoded), np.uint8
        )  # writable, so that compiled code sees the same type as for a counter
        ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        slots = np.full(1 << max(4, int(2 * len(words)).bit_length()), _EMPTY, np.int32)
        _fill(text, ends, slots)
        return cls(text, ends, slots)

    def words(self, numbers: NDArray[np.int64]) -> list[str]:
        """The words with these numbers."""
        return _words(self.text, self.ends, numbers)


class WordCounter:
    """Counts words; they are numbered in the order of their first occurrence."""

    def __init__(self) -> None:
        self._text = np.empty(1 << 16, np.uint8)
        self._ends, self._counts = np.empty(1 << 12, np.int64), np.zeros(1 << 12, np.int64)
        self._slots = np.full(1 << 13, _EMPTY, np.int32)
        self._size = 0

    def add(self, lines: Sequence[str]) -> None:
        content = np.frombuffer(_bytes_of(lines), np.uint8)
        at = 0
        while True:
            at, self._size = _count(content, at, self._size, self._text, self._ends, self._counts, self._slots)
            if at == len(content):
                return
            self._grow()

    def frequencies(self) -> NDArray[np.int64]:
        """(words,): how often each word has occurred so far."""
        return self._counts[: self._size].copy()

    def words(self, numbers: NDArray[np.int64]) -> list[str]:
        """The words with these numbers, which are positions in `frequencies`."""
        return _words(self._text, self._ends, numbers)

    def counts(self) -> dict[str, int]:
        return dict(zip(self.words(np.arange(self._size)), self.frequencies().tolist(), strict=True))

    def _grow(self) -> None:
        """Doubles the arrays; called again if a word still does not fit."""
        self._text = np.concatenate([self._text, np.empty_like(self._text)])
        self._ends = np.concatenate([self._ends, np.empty_like(self._ends)])
        self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._slots = np.full(2 * len(self._slots), _EMPTY, np.int32)
        _fill(self._text, self._ends[: self._size], self._slots)


def _words(text: NDArray[np.uint8], ends: NDArray[np.int64], numbers: NDArray[np.int64]) -> list[str]:
    starts = np.where(numbers > 0, ends[numbers - 1], 0)
    spans = zip(starts.tolist(), ends[numbers].tolist(), strict=True)
    return [str(text.data[first:last], "utf-8") for first, last in spans]


class EncodedLines(NamedTuple):
    """Line i is `ids[offsets[i]:offsets[i + 1]]`, its end symbol included."""

    ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]


def encode_lines(table: WordTable, lines: Sequence[str], unknown: int, end: int) -> EncodedLines:
    """The numbers of the words of each line (`unknown` for words that are not in the table), then `end`."""

    def encode(first: int, last: int) -> EncodedLines:
        text = np.frombuffer(_bytes_of(lines[first:last]), np.uint8)
        ids, offsets = np.empty(len(text) // 2 + last - first + 1, np.uint32), np.zeros(last - first + 1, np.int64)
        size = _encode(text, table.text, table.ends, table.slots, unknown, end, ids, offsets)
        return EncodedLines(ids[:size], offsets)

    parts = over_ranges(len(lines), encode, _LINES_WORTH_A_THREAD)
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return EncodedLines(np.concatenate([part.ids for part in parts]), np.append(0, lengths.cumsum()))


def _bytes_of(lines: Sequence[str]) -> bytes:
    """The lines in UTF-8, each with one line end."""
    joined = "\n".join(lines) + "\n" if lines else ""
    if joined.count("\n") != len(lines):
        joined = "".join(line.replace("\n", " ") + "\n" for line in lines)
    try:
        return joined.encode()
    except UnicodeEncodeError as error:
        raise SeqloomError("the text cannot be written as UTF-8", got=str(error)) from None


@inlined
def whitespace_width(text: Array, i: int) -> int:
    """The bytes of the whitespace character at `i` (Unicode's White_Space in UTF-8); 0 if there is none."""
    byte = text[i]
    if byte <= 32:
        return 1 if byte == 32 or 9 <= byte <= 13 else 0
    if byte == 0xC2:
        return 2 if text[i + 1] == 0x85 or text[i + 1] == 0xA0 else 0
    if byte < 0xE1 or byte > 0xE3:
        return 0
    second, third = text[i + 1], text[i + 2]
    if byte == 0xE1:
        return 3 if second == 0x9A and third == 0x80 else 0
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x80 and (0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF):
        return 3
    return 3 if second == 0x81 and third == 0x9F else 0


_BASIS, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)  # FNV-1a


@inlined
def word_hash(text: Array, first: int, last: int) -> Any:
    value = _BASIS
    for i in range(first, last):
        value = (value ^ np.uint64(text[i])) * _PRIME
    return value ^ (value >> np.uint64(32))


@inlined
def word_from(text: Array, first: int) -> Any:
    """The end of the word that begins at `first`, and its hash."""
    i, value = first, _BASIS
    while True:
        byte = text[i]
        if (byte <= 32 or byte >= 0xC2) and whitespace_width(text, i):
            return i, value ^ (value >> np.uint64(32))
        value = (value ^ np.uint64(byte)) * _PRIME
        i += 1


@inlined
def find_hashed(text: Array, first: int, last: int, value: Any, words: Array, ends: Array, slots: Array) -> int:
    """The number of the word `text[first:last]`, whose hash is `value`; -1 if it is not in the table."""
    mask = np.uint64(slots.shape[0] - 1)
    slot = value & mask
    while True:
        number = slots[np.int64(slot)]
        if number == _EMPTY:
            return -1
        start = ends[number - 1] if number else 0
        if ends[number] - start == last - first:
            i = 0
            while i < last - first and words[start + i] == text[first + i]:
                i += 1
            if i == last - first:
                return int(number)
        slot = (slot + np.uint64(1)) & mask


@inlined
def find_word(text: Array, first: int, last: int, words: Array, ends: Array, slots: Array) -> int:
    return find_hashed(text, first, last, word_hash(text, first, last), words, ends, slots)


@compiled
def _fill(text: Array, ends: Array, slots: Array) -> None:
    mask = np.uint64(slots.shape[0] - 1)
    for number in range(ends.shape[0]):
        slot = word_hash(text, ends[number - 1] if number else 0, ends[number]) & mask
        while slots[np.int64(slot)] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        slots[np.int64(slot)] = number


_WORDS_AT_ONCE = 64
"""Look-ups that start together: the table is larger than the processor's cache, and waiting reads can overlap."""


@inlined
def _read_ahead(hashes: Array, waiting: int, words: Array, ends: Array, slots: Array) -> None:
    """Prefetches the entries that the words with these hashes are compared with; their slots are already prefetched."""
    mask = np.uint64(slots.shape[0] - 1)
    for word in range(waiting):
        number = slots[np.int64(hashes[word] & mask)]
        if number >= 0:
            prefetch(ends, np.int64(number))
    for word in range(waiting):
        number = slots[np.int64(hashes[word] & mask)]
        if number > 0:
            prefetch(words, ends[number - 1])


@compiled
def _encode(
    text: Array, words: Array, ends: Array, slots: Array, unknown: int, end: int, ids: Array, offsets: Array
) -> int:
    size, line, i, length = 0, 0, 0, text.shape[0]
    mask = np.uint64(slots.shape[0] - 1)
    # For each waiting word: its start, its end and the position of its id; its hash.
    span = np.empty((_WORDS_AT_ONCE, 3), np.int64)
    hashes = np.empty(_WORDS_AT_ONCE, np.uint64)
    while i < length:
        waiting = 0
        while i < length and waiting < _WORDS_AT_ONCE:
            width = whitespace_width(text, i)
            if width:
                if text[i] == _NEWLINE:
                    ids[size] = end
                    size += 1
                    line += 1
                    offsets[line] = size
                i += width
                continue
            first = i
            i, value = word_from(text, first)
            prefetch(slots, np.int64(value & mask))
            span[waiting, 0], span[waiting, 1], span[waiting, 2], hashes[waiting] = first, i, size, value
            waiting += 1
            size += 1
        _read_ahead(hashes, waiting, words, ends, slots)
        for word in range(waiting):
            number = find_hashed(text, span[word, 0], span[word, 1], hashes[word], words, ends, slots)
            ids[span[word, 2]] = unknown if number < 0 else number
    return size


@compiled
def _count(text: Array, i: int, size: int, words: Array, ends: Array, counts: Array, slots: Array) -> Any:
    """Counts words from byte `i` on, with `size` words known. Returns the position and the number of known words at the
    end, or before a word that does not fit into the arrays."""
    mask, length = np.uint64(slots.shape[0] - 1), text.shape[0]
    span, hashes = np.empty((_WORDS_AT_ONCE, 2), np.int64), np.empty(_WORDS_AT_ONCE, np.uint64)
    while i < length:
        waiting = 0
        while i < length and waiting < _WORDS_AT_ONCE:
            width = whitespace_width(text, i)
            if width:
                i += width
                continue
            first = i
            i, value = word_from(text, first)
            prefetch(slots, np.int64(value & mask))
            span[waiting, 0], span[waiting, 1], hashes[waiting] = first, i, value
            waiting += 1
        _read_ahead(hashes, waiting, words, ends, slots)
        for word in range(waiting):
            first, last, value = span[word, 0], span[word, 1], hashes[word]
            number = find_hashed(text, first, last, value, words, ends, slots)
            if number >= 0:
                counts[number] += 1
                continue
            start = ends[size - 1] if size else 0
            if size == ends.shape[0] or start + last - first > words.shape[0]:
                return first, size
            words[start : start + last - first] = text[first:last]
            ends[size], counts[size] = start + last - first, 1
            slot = value & mask
            while slots[np.int64(slot)] != _EMPTY:
                slot = (slot + np.uint64(1)) & mask
            slots[np.int64(slot)] = size
            size += 1
    return i, size
