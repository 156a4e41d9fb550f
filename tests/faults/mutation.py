"""Broken files: bytes changed, cut, repeated and replaced by what programs do not expect."""

from __future__ import annotations

import random
import re

_ODD = [
    *(b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\t", b"\t\t", b"\n\n", b" ", b"\x1b[31m"),
    *(b"\xc2\xa0", b"\xe2\x80\xa8", b"\xcc\x81", b"\xf0\x9f\x98\x80", b"\xc2\xb2", b"\xe2\x96\x81", b"label"),
    *(b"#", b"@", b"@data", b":", b",", b'"', b"'", b"?", b"-", b"O", b"B-", b"-DOCSTART-", b"../.."),
    *(b"<unk>", b"<eos>", b"<s>", b"</s>", b"null", b"true", b"[]", b"{}", b"[[[[", b"}}", b"\\u0000", b"\\ud800"),
]
_NUMBERS = [b"0", b"-1", b"nan", b"inf", b"-inf", b"1e999", b"1e308", b"9" * 30, b"4294967296", b"9223372036854775808",
            b"0x10", b"1_000", b"1.5", b"9" * 5000]  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")


def mutated(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """The content after one to four changes; `others` are contents of which parts may be put in."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _change(data, rng, others)
    return bytes(data)


def _change(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    first = rng.randint(0, len(data))
    last = min(len(data), first + rng.choice((1, 2, 8, 64, 1024)))
    kind = rng.randrange(10)
    if kind == 0 and data:
        place = rng.randrange(len(data))
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[first:last]
    elif kind == 2:
        del data[first:]
    elif kind == 3:
        data[first:first] = data[first:last] * rng.choice((1, 3, 100))
    elif kind == 4:
        data[first:first] = rng.choice(_ODD)
    elif kind == 5:
        data[first:last] = rng.choice(_ODD)
    elif kind == 6:
        data[first:last] = rng.randbytes(last - first)
    elif kind == 7 and (numbers := list(_NUMBER.finditer(data))):
        number = rng.choice(numbers)
        data[number.start() : number.end()] = rng.choice(_NUMBERS)
    elif kind == 8 and others:
        other = rng.choice(others)
        place = rng.randint(0, len(other))
        data[first:last] = other[place : place + rng.choice((8, 64, 1024))]
    else:
        lines = data.split(b"\n")
        rng.shuffle(lines)
        data[:] = b"\n".join(lines)
