"""ARPA files in: what KenLM, SRILM and others write, compressed or not, in any order of lines."""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import EOS, SOS, SPECIALS, UNK
from seqloom.data.words import WordTable, find_word
from seqloom.errors import SeqloomError
from seqloom.files import opened, reading
from seqloom.formats.arpa.assemble import Grams, tree_of
from seqloom.models.ngram.estimate import LOG_ZERO
from seqloom.models.ngram.store import Store

_BYTES_AT_ONCE = 1 << 24
_IDS = {"<unk>": UNK, "<UNK>": UNK, "<s>": SOS, "</s>": EOS}
_SECTION = re.compile(rb"\\(\d+)-grams:$")
_FAULTS = (
    "",
    "a probability or back-off weight is not a number",
    "there are too few words",
    "there is more than an n-gram has",
    "a word is not among the unigrams",
)


class ArpaModel(NamedTuple):
    """A model and its vocabulary in order of ids."""

    store: Store
    tokens: list[str]


def read_model(path: str | Path) -> ArpaModel:
    """Reads an ARPA file (`.gz` and `.xz` too).

    Missing back-off weights are log 1; n-grams whose beginning or end is missing get it, with the probability that
    backing off gives. Raises SeqloomError with `file:line` where the file is broken.
    """
    reader = _Reader(str(path))
    with reading(path):
        try:
            return reader.read()
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise SeqloomError("the compressed file is broken", where=reader.where(), got=str(error)) from None


class _Reader:
    def __init__(self, path: str) -> None:
        self.path, self.line = path, 0

    def where(self) -> str:
        return f"{self.path}:{self.line}"

    def error(self, what: str, got: object = None, expected: object = None) -> SeqloomError:
        return SeqloomError(what, where=self.where(), got=got, expected=expected)

    def read(self) -> ArpaModel:
        with opened(self.path) as stream:
            self._stream: BinaryIO = stream
            self._sizes = self._header()
            levels: list[Grams] = []
            for n in range(len(self._sizes)):
                if n:
                    self._section(n + 1)
                levels.append(self._unigrams() if n == 0 else self._grams(n))
            found = self._next()
            if found != b"\\end\\":
                raise self.error("the file does not end as it should", _shown(found), "\\end\\")
        try:
            return ArpaModel(tree_of(levels, len(self._tokens)), self._tokens)
        except SeqloomError as error:  # of rows of words it does not know where they are from
            raise SeqloomError(error.what, where=self.path, got=error.got) from None

    def _next(self) -> bytes:
        """The next line that is not blank."""
        for raw in self._stream:
            self.line += 1
            if line := raw.strip():
                return line
        self.line += 1
        return b""

    def _header(self) -> list[int]:
        while (line := self._next()) != b"\\data\\":
            if not line:
                raise self.error("this is not an ARPA file", expected="a line \\data\\")
        sizes: list[int] = []
        while found := re.match(rb"ngram\s+(\d+)\s*=\s*(\d+)$", line := self._next()):
            if int(found[1]) != len(sizes) + 1:
                raise self.error("the orders are not in order", _shown(line), f"ngram {len(sizes) + 1}=..")
            sizes.append(int(found[2]))
        if not sizes:
            raise self.error("the sizes are missing", _shown(line), "ngram 1=..")
        self._check_section(line, 1)
        return sizes

    def _section(self, order: int) -> None:
        self._check_section(self._next(), order)

    def _check_section(self, line: bytes, order: int) -> None:
        found = _SECTION.match(line)
        if not found or int(found[1]) != order:
            what = "the section of an order does not begin where its size says"
            raise self.error(what, _shown(line), f"\\{order}-grams:")

    def _unigrams(self) -> Grams:
        """The vocabulary: its words get ids in the order of the file."""
        self._tokens = list(SPECIALS)
        ids: dict[bytes, int] = {word.encode(): number for word, number in _IDS.items()}
        rows: dict[int, tuple[float, float]] = {}
        highest = len(self._sizes) == 1
        for _ in range(self._sizes[0]):
            line = self._next()
            fields = line.split()
            if not 2 <= len(fields) <= 3 or line.startswith(b"\\"):
                raise self.error("a line of unigrams has other fields", _shown(line), "log10 p, word, log10 back-off")
            number = ids.get(fields[1])
            if number is None:
                number = ids[fields[1]] = len(self._tokens)
                self._tokens.append(self._decoded(fields[1]))
            elif number in rows or number >= len(SPECIALS):
                raise self.error("a word comes twice", self._decoded(fields[1]))
            try:
                rows[number] = float(fields[0]), float(fields[2]) if len(fields) == 3 and not highest else 0.0
            except ValueError:
                raise self.error(_FAULTS[1], _shown(line)) from None
        self._words = WordTable.of([word.decode() for word in ids])
        self._numbers = np.array(list(ids.values()), np.uint32)
        size = len(self._tokens)
        values = np.full((size, 2), [LOG_ZERO, 0.0], np.float32)
        for number, row in rows.items():
            values[number] = row
        return Grams(np.arange(size, dtype=np.uint32)[:, None], values[:, 0].copy(), values[:, 1].copy())

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
        rows, values = np.empty((size, n + 1), np.uint32), np.zeros((size, 2), np.float32)
        table, filled = self._words, 0
        for block in self._whole_lines(size):
            text = np.frombuffer(block, np.uint8)
            lines, found, fault = _parse(
                text, table.text, table.ends, table.slots, self._numbers, rows[filled:], values[filled:]
            )
            self.line += lines
            filled += found
            if fault:
                line = block.split(b"\n")[lines - 1]
                raise self.error(_FAULTS[fault], _shown(line), f"log10 p, {n + 1} words, log10 back-off")
        if filled < size:
            raise self.error("n-grams are missing", f"{filled} of order {n + 1}", size)
        return Grams(rows, values[:, 0].copy(), values[:, 1].copy())

    def _whole_lines(self, lines: int) -> Iterator[bytes]:
        """So many lines that are not blank, many at a time."""
        while lines > 0:
            # The shortest line has six bytes, so that no more than those are read.
            some = self._stream.readlines(min(_BYTES_AT_ONCE, 6 * lines))
            if not some:
                return
            lines -= len(some) - sum(map(bytes.isspace, some))
            yield b"".join(some)


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace"))


@compiled
def _parse(
    text: Array, words: Array, ends: Array, slots: Array, numbers: Array, rows: Array, values: Array
) -> tuple[int, int, int]:
    """The lines of a block: number, words, and a number again where there is one. Returns how many lines and n-grams
    were read, and what is wrong with the last line (0: nothing)."""
    order, size = rows.shape[1], text.shape[0]
    i, lines, found = 0, 0, 0
    while i < size:
        lines += 1
        while i < size and (text[i] == 32 or text[i] == 9 or text[i] == 13):
            i += 1
        if i == size:
            break
        if text[i] == 10:
            i += 1
            continue
        if found == rows.shape[0]:
            return lines, found, 3
        for field in range(order + 2):
            first = i
            while i < size and text[i] != 32 and text[i] != 9 and text[i] != 10 and text[i] != 13:
                i += 1
            if first == i:
                if field <= order:
                    return lines, found, 2
                break
            if field == 0 or field > order:
                value = _number(text, first, i)
                if value != value:
                    return lines, found, 1
                values[found, 0 if field == 0 else 1] = value
            else:
                number = find_word(text, first, i, words, ends, slots)
                if number < 0:
                    return lines, found, 4
                rows[found, field - 1] = numbers[number]
            while i < size and (text[i] == 32 or text[i] == 9 or text[i] == 13):
                i += 1
        if i < size and text[i] != 10:
            return lines, found, 3
        i += 1
        found += 1
    return lines, found, 0


@compiled
def _number(text: Array, first: int, last: int) -> float:
    """A decimal number; NaN where it is none. -inf is what ARPA files write as -99."""
    i, sign = first, 1.0
    if text[i] == 45 or text[i] == 43:
        sign = -1.0 if text[i] == 45 else 1.0
        i += 1
    if last - i == 3 and (text[i] | 32) == 105 and (text[i + 1] | 32) == 110 and (text[i + 2] | 32) == 102:
        return sign * 99.0
    value, scale, digits = 0.0, 0, 0
    while i < last and 48 <= text[i] <= 57:
        value = value * 10 + (text[i] - 48)
        digits += 1
        i += 1
    if i < last and text[i] == 46:
        i += 1
        while i < last and 48 <= text[i] <= 57:
            value = value * 10 + (text[i] - 48)
            scale -= 1
            digits += 1
            i += 1
    if i < last and (text[i] | 32) == 101 and digits:
        i += 1
        below = i < last and text[i] == 45
        if i < last and (text[i] == 45 or text[i] == 43):
            i += 1
        exponent, digits = 0, 0
        while i < last and 48 <= text[i] <= 57:
            exponent = min(exponent * 10 + (text[i] - 48), 9999)
            digits += 1
            i += 1
        scale += -exponent if below else exponent
    if i < last or not digits:
        return np.nan
    return sign * value * 10.0**scale
