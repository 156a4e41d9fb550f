"""Reads ARPA files of KenLM, SRILM and other programs, compressed or not, with lines in any order and gaps filled
in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import EOS, SOS, SPECIALS, UNK
from seqloom.data.word_table import WordTable, find_word
from seqloom.errors import SeqloomError, warn
from seqloom.files import opened, reading
from seqloom.formats.arpa.assemble import Grams, assemble
from seqloom.formats.parse_number import parse_number
from seqloom.models.ngram.estimate import LOG_ZERO
from seqloom.models.ngram.store import MAX_NODES, MAX_ORDER, Store

_BLOCK_BYTES = 1 << 24
_MAX_LINE_BYTES = 1 << 20
_SHORTEST_NGRAM = 6
"""The number of bytes in the shortest line of an n-gram: `0 a b` and the line end."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IDS = {"<unk>": UNK, "<UNK>": UNK, "<s>": SOS, "</s>": EOS}
_SIZE = re.compile(rb"ngram\s+(\d{1,3})\s*=\s*(\d{1,18})$")
_SECTION = re.compile(rb"\\(\d{1,3})-grams:$")
_FIELDS = re.compile(rb"[^ \t\r\n]+")
_ROUNDING = 1e-5
"""A log10 probability above 0 but below this is a rounding error and read as 0."""
_NOT_A_NUMBER, _TOO_FEW, _TOO_MANY, _UNKNOWN, _POSITIVE, _INFINITE = range(1, 7)
_FAULTS = {
    _NOT_A_NUMBER: "a probability or back-off weight is not a number",
    _TOO_FEW: "there are too few words",
    _TOO_MANY: "there are more fields than an n-gram has",
    _UNKNOWN: "a word is not among the unigrams",
    _POSITIVE: "the log10 of a probability is above 0",
    _INFINITE: "a back-off weight is infinite",
}


class ArpaModel(NamedTuple):
    """A model and its vocabulary in order of ids."""

    store: Store
    tokens: list[str]


def read_model(path: str | Path) -> ArpaModel:
    """Reads an ARPA file (`.gz` and `.xz` too).

    Missing back-off weights are log10 1. Missing prefixes and suffixes of n-grams are added, with the probability that
    backing off gives. Raises SeqloomError with `file:line` if the file is broken.
    """
    with reading(path):
        return _Reader(str(path)).read()


class _Reader:
    def __init__(self, path: str) -> None:
        self.path, self.line = path, 0

    def error(self, what: str, got: object = None, expected: object = None) -> SeqloomError:
        return SeqloomError(what, where=f"{self.path}:{self.line}", got=got, expected=expected)

    def read(self) -> ArpaModel:
        with opened(self.path) as stream:
            self._stream: BinaryIO = stream
            self._sizes = self._header()
            levels = [self._unigrams()]
            for n in range(1, len(self._sizes)):
                self._check_section(self._next_line(), n + 1)
                levels.append(self._grams(n))
            line = self._next_line()
            if line != b"\\end\\":
                raise self.error("the file does not end with \\end\\", _shown(line), "\\end\\")
            while stream.read(_BLOCK_BYTES):  # a truncated compressed file raises an error only at its end
                pass
        try:
            return ArpaModel(assemble(levels, len(self._tokens)), self._tokens)
        except SeqloomError as error:  # `assemble` does not know the file
            raise SeqloomError(error.what, where=self.path, got=error.got) from None

    def _next_line(self) -> bytes:
        """The next line that is not empty, stripped of whitespace; empty at the end of the file."""
        while raw := self._stream.readline(_MAX_LINE_BYTES + 1):
            self.line += 1
            self._check_length(raw)
            if line := (raw.removeprefix(_BYTE_ORDER_MARK) if self.line == 1 else raw).strip():
                return line
        self.line += 1
        return b""

    def _check_length(self, line: bytes) -> None:
        if len(line) > _MAX_LINE_BYTES:
            raise self.error("a line is too long for an ARPA file", f"more than {_MAX_LINE_BYTES >> 20} MiB")

    def _header(self) -> list[int]:
        while (line := self._next_line()) != b"\\data\\":
            if not line:
                raise self.error("this is not an ARPA file", expected="a line \\data\\")
        sizes: list[int] = []
        while match := _SIZE.match(line := self._next_line()):
            if int(match[1]) != len(sizes) + 1:
                raise self.error("the orders do not increase by one", _shown(line), f"ngram {len(sizes) + 1}=..")
            sizes.append(int(match[2]))
            if sum(sizes) > MAX_NODES:
                raise self.error("there are too many n-grams", f"{sum(sizes):,}", f"at most {MAX_NODES:,}")
        if not sizes or not sizes[0]:
            raise self.error("the numbers of n-grams are missing", _shown(line), "ngram 1=..")
        if len(sizes) > MAX_ORDER:
            raise self.error("the n-grams are too long", f"order {len(sizes)}", f"at most {MAX_ORDER}")
        self._check_section(line, 1)
        return sizes

    def _check_section(self, line: bytes, order: int) -> None:
        match = _SECTION.match(line)
        if not match or int(match[1]) != order:
            what = "the section of an order does not begin where expected from the number of n-grams"
            raise self.error(what, _shown(line), f"\\{order}-grams:")

    def _unigrams(self) -> Grams:
        """The vocabulary: its words get ids in the order of the file."""
        self._tokens = list(SPECIALS)
        ids: dict[bytes, int] = {word.encode(): number for word, number in _IDS.items()}
        values: dict[int, tuple[float, float]] = {}
        for _ in range(self._sizes[0]):
            line = self._next_line()
            fields = _FIELDS.findall(line)
            if not 2 <= len(fields) <= 3 or line.startswith(b"\\"):
                raise self.error(
                    "a line of unigrams does not have these fields", _shown(line), "log10 p, word, log10 back-off"
                )
            number = ids.get(fields[1])
            if number is None:
                number = ids[fields[1]] = len(self._tokens)
                self._tokens.append(self._decoded(fields[1]))
            elif number in values or number >= len(SPECIALS):
                raise self.error("a word occurs twice", self._decoded(fields[1]))
            values[number] = self._values(fields, line)
        self._words = WordTable.of([word.decode() for word in ids])
        self._ids = np.array(list(ids.values()), np.uint32)
        size = len(self._tokens)
        table = np.full((size, 2), [LOG_ZERO, 0.0], np.float32)
        for number, row in values.items():
            table[number] = row
        for number, mark, place in ((SOS, "<s>", "beginning"), (EOS, "</s>", "end")):
            if number not in values:
                self._warn_of_no_mark(mark, place)
        return Grams(np.arange(size, dtype=np.uint32)[:, None], table[:, 0].copy(), table[:, 1].copy())

    def _warn_of_no_mark(self, mark: str, place: str) -> None:
        warn(
            f"the model has no {mark}: the probability of the {place} of a line is 0",
            where=self.path,
            expected=f"{mark} among the unigrams",
            hint="estimate the model with marks of the beginning and the end of sentences",
        )

    def _values(self, fields: list[bytes], line: bytes) -> tuple[float, float]:
        """The log10 probability and back-off weight of a line of unigrams; the longest n-grams have no weight."""
        log_prob, backoff = (parse_number(np.frombuffer(f, np.uint8), 0, len(f)) for f in (fields[0], fields[-1]))
        if len(fields) == 2 or len(self._sizes) == 1:
            backoff = 0.0
        for value, is_prob in ((log_prob, True), (backoff, False)):
            if fault := _fault(value, is_prob):
                raise self.error(_FAULTS[fault], _shown(line))
        return _clipped(log_prob, True), _clipped(backoff, False)

    def _decoded(self, word: bytes) -> str:
        try:
            text = word.decode()
        except UnicodeDecodeError as error:
            raise self.error("a word is not UTF-8", str(error)) from None
        if text in SPECIALS:
            raise self.error("a word has the name of a special token", text)
        return text

    def _grams(self, n: int) -> Grams:
        size = self._sizes[n]
        rows, values = np.empty((0, n + 1), np.uint32), np.empty((0, 2), np.float32)
        table, filled = self._words, 0
        for block in self._blocks(size):
            # Memory grows with the lines read, since the size in the header may be wrong.
            needed = min(size, filled + len(block) // _SHORTEST_NGRAM + 1)
            if needed > len(rows):
                capacity = min(size, max(needed, 2 * len(rows)))
                rows, values = _enlarged(rows, capacity), _enlarged(values, capacity)
            text = np.frombuffer(block, np.uint8)
            lines, num_ngrams, fault = _parse(
                text, table.text, table.ends, table.slots, self._ids, rows[filled:], values[filled:]
            )
            self.line += lines
            filled += num_ngrams
            if fault:
                line = block.split(b"\n")[lines - 1]
                raise self.error(_FAULTS[fault], _shown(line), f"log10 p, {n + 1} words, log10 back-off")
        if filled < size:
            raise self.error("n-grams are missing", f"{filled:,} of order {n + 1}", f"{size:,}")
        return Grams(rows, values[:, 0].copy(), values[:, 1].copy())

    def _blocks(self, lines: int) -> Iterator[bytes]:
        """Blocks of whole lines that together have this number of nonempty lines."""
        while lines > 0:
            # At most as many bytes as the remaining n-grams need at least.
            block = self._stream.read(min(_BLOCK_BYTES, _SHORTEST_NGRAM * lines))
            if not block:
                return
            if not block.endswith(b"\n"):
                line_end = self._stream.readline(_MAX_LINE_BYTES + 1)
                self._check_length(line_end)
                block += line_end
            lines -= sum(not line.isspace() and len(line) > 0 for line in block.split(b"\n"))
            yield block


def _enlarged(array: NDArray[Any], size: int) -> NDArray[Any]:
    larger = np.empty((size, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))


@compiled
def _parse(
    text: Array, words: Array, ends: Array, slots: Array, ids: Array, rows: Array, values: Array
) -> tuple[int, int, int]:
    """Parses the lines of a block: a number, words, and optionally a second number. Returns the number of lines and of
    n-grams that were read, and the fault of the last line (0: none)."""
    order, size = rows.shape[1], text.shape[0]
    i, lines, num_ngrams = 0, 0, 0
    while i < size:
        lines += 1
        while i < size and (text[i] == 32 or text[i] == 9 or text[i] == 13):
            i += 1
        if i == size:
            break
        if text[i] == 10:
            i += 1
            continue
        if num_ngrams == rows.shape[0]:
            return lines, num_ngrams, _TOO_MANY
        values[num_ngrams, 1] = 0.0
        for field in range(order + 2):
            first = i
            while i < size and text[i] != 32 and text[i] != 9 and text[i] != 10 and text[i] != 13:
                i += 1
            if first == i:
                if field <= order:
                    return lines, num_ngrams, _TOO_FEW
                break
            if field == 0 or field > order:
                value = parse_number(text, first, i)
                fault = _fault(value, field == 0)
                if fault:
                    return lines, num_ngrams, fault
                values[num_ngrams, 0 if field == 0 else 1] = _clipped(value, field == 0)
            else:
                number = find_word(text, first, i, words, ends, slots)
                if number < 0:
                    return lines, num_ngrams, _UNKNOWN
                rows[num_ngrams, field - 1] = ids[number]
            while i < size and (text[i] == 32 or text[i] == 9 or text[i] == 13):
                i += 1
        if i < size and text[i] != 10:
            return lines, num_ngrams, _TOO_MANY
        i += 1
        num_ngrams += 1
    return lines, num_ngrams, 0


@compiled
def _fault(value: float, is_prob: bool) -> int:
    """What is wrong with the log10 of a probability or of a back-off weight; 0 if nothing."""
    if value != value:
        return _NOT_A_NUMBER
    if is_prob:
        return _POSITIVE if value > _ROUNDING else 0
    return _INFINITE if value > -LOG_ZERO else 0


@compiled
def _clipped(value: float, is_prob: bool) -> float:
    """The value, but log10 0 for -99, which ARPA files use for it."""
    return max(min(value, 0.0) if is_prob else value, float(LOG_ZERO))
