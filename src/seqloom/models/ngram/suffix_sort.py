"""The positions of a text sorted by the words that follow, so that equal n-grams of every order are adjacent.

A text is an array of ids with `<eos>` first and after every line: as the first word of an n-gram it stands for `<sos>`,
as the last one for itself. A window is the `order` words from a position on, truncated after `<eos>` and padded with
`<pad>`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.processors import run_all

_SMALL_CHUNK_BITS = 16
"""The number of positions whose keys are sorted together; they fit in the processor's cache."""
_MIN_CHUNK_BITS = 13
MAX_PLACES = 1 << 26


class SortedPlaces(NamedTuple):
    """`places` in the order of their windows; `group_start[j]`: the window differs from that of position j - 1."""

    places: NDArray[np.uint32]
    group_start: NDArray[np.bool_]


def sort_places(text: NDArray[np.uint32], order: int, vocab_size: int) -> SortedPlaces:
    """A counting sort by the first word; then groups of equal words are sorted by the next words, as many at a time as
    fit into one number together with the position."""
    assert len(text) <= MAX_PLACES
    places, group_start = _by_first_word(text, vocab_size)
    bits = max(1, int(vocab_size - 1).bit_length())
    depth = 1
    while depth < order:
        width = min(order - depth, max(1, (64 - 2 * _MIN_CHUNK_BITS) // bits))
        _refine(text, places, group_start, depth, width, bits)
        depth += width
    return SortedPlaces(places, group_start)


def _refine(text: Any, places: Any, group_start: Any, depth: int, width: int, bits: int) -> None:
    spare = 64 - width * bits
    ends = _chunk_ends(group_start, 1 << min(_SMALL_CHUNK_BITS, spare // 2))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])

    def work(piece: tuple[int, int]) -> None:
        first, last = piece
        index_bits = max(1, int(last - first - 1).bit_length())
        keys = _keys(text, places, group_start, first, last, depth, width, bits, index_bits)
        keys.sort()
        _settle(keys, places, group_start, first, last, index_bits)

    run_all(work, zip(starts.tolist(), ends.tolist(), strict=True))


@compiled
def _by_first_word(text: Array, vocab_size: int) -> Any:
    size = text.shape[0] - 1  # no window begins at the last <eos>
    starts = np.zeros(vocab_size + 1, np.int64)
    for i in range(size):
        starts[(SOS if text[i] == EOS else text[i]) + 1] += 1
    for word in range(vocab_size):
        starts[word + 1] += starts[word]
    group_start = np.zeros(size, np.bool_)
    for word in range(vocab_size):
        if starts[word] < starts[word + 1]:
            group_start[starts[word]] = True
    places = np.empty(size, np.uint32)
    for i in range(size):
        word = SOS if text[i] == EOS else text[i]
        places[starts[word]] = i
        starts[word] += 1
    return places, group_start


@compiled
def _chunk_ends(group_start: Array, most: int) -> Array:
    """Ends of chunks of whole groups; each has at most `most` positions or is one group."""
    size = group_start.shape[0]
    ends = np.empty(2 * (size // most) + 2, np.int64)
    num_chunks, start, group = 0, 0, 0
    for j in range(1, size + 1):
        if j == size or group_start[j]:
            # The group from `group` to j is complete.
            if j - start > most and group > start:
                ends[num_chunks] = group
                num_chunks += 1
                start = group
            group = j
    if size:
        ends[num_chunks] = size
        num_chunks += 1
    return ends[:num_chunks]


@compiled
def _keys(
    text: Array,
    places: Array,
    group_start: Array,
    first: int,
    last: int,
    depth: int,
    width: int,
    bits: int,
    index_bits: int,
) -> Array:
    """The group, the next `width` words and the index in the chunk as one number, for positions in groups of
    several."""
    keys = np.empty(last - first, np.uint64)
    num_keys, group = 0, -1
    for j in range(first, last):
        if group_start[j]:
            if j + 1 == last or group_start[j + 1]:
                continue
            group += 1
        place = places[j]
        ended = False
        for k in range(1, depth):
            ended |= text[place + k] == EOS
        key = np.uint64(group)
        for k in range(depth, depth + width):
            word = np.uint64(PAD)
            if not ended:
                word = np.uint64(text[place + k])
                ended = word == EOS
            key = (key << np.uint64(bits)) | word
        keys[num_keys] = (key << np.uint64(index_bits)) | np.uint64(j - first)
        num_keys += 1
    return keys[:num_keys]


@compiled
def _settle(keys: Array, places: Array, group_start: Array, first: int, last: int, index_bits: int) -> None:
    """Sorts the positions by their sorted keys, and marks where a group begins."""
    before = places[first:last].copy()
    shift, mask = np.uint64(index_bits), (np.uint64(1) << np.uint64(index_bits)) - np.uint64(1)
    index = 0
    for j in range(first, last):
        if group_start[j] and (j + 1 == last or group_start[j + 1]):
            continue
        key = keys[index]
        places[j] = before[np.int64(key & mask)]
        group_start[j] = index == 0 or (key >> shift) != (keys[index - 1] >> shift)
        index += 1


@compiled
def windows(text: Array, places: Array, group_start: Array, first: int, last: int, order: int) -> Any:
    """The distinct windows (distinct, order) that begin at the sorted positions `first` to `last`, and the count of
    each."""
    distinct = 0
    for j in range(first, last):
        distinct += group_start[j]
    rows, counts = np.zeros((distinct, order), np.uint32), np.zeros(distinct, np.int64)
    row = -1
    for j in range(first, last):
        if group_start[j]:
            row += 1
            place = places[j]
            rows[row, 0] = SOS if text[place] == EOS else text[place]
            for k in range(1, order):
                word = text[place + k]
                rows[row, k] = word
                if word == EOS:
                    break
        counts[row] += 1
    return rows, counts
