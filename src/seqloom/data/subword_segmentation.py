"""Compiled code that segments words into subwords at random: merges of byte pairs with dropout, and pieces of a unigram
model in proportion to their probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled, inlined

_EMPTY = -1
_SPACE = 32
_HASH = 0x9E3779B1


class TokenBytes(NamedTuple):
    """The bytes of token i are `content[starts[i]:starts[i + 1]]`; special tokens have none."""

    content: NDArray[np.uint8]
    starts: NDArray[np.int64]


class BpeMerges(NamedTuple):
    """The merges of byte pair encoding in an open-addressing hash table: in each used slot, the `pairs` of ids (slots,
    2), the rank of the merge and the id of the merged token; -1 in empty slots. `byte_ids`: the token of each byte."""

    pairs: NDArray[np.int64]
    ranks: NDArray[np.int64]
    merged: NDArray[np.int64]
    byte_ids: NDArray[np.int64]

    @classmethod
    def of(cls, merges: NDArray[np.int64], byte_ids: NDArray[np.int64]) -> BpeMerges:
        """`merges` (merges, 3): two ids and the id that replaces them, in order of their rank."""
        slots = 1 << max(4, int(2 * len(merges)).bit_length())
        table = cls(np.full((slots, 2), _EMPTY), np.full(slots, _EMPTY), np.full(slots, _EMPTY), byte_ids)
        _fill_merges(merges, table.pairs, table.ranks, table.merged)
        return table


class UnigramPieces(NamedTuple):
    """The pieces of a unigram model in an open-addressing hash table of their ids, -1 in empty slots; the
    log-probability of each id; the bytes of the longest piece."""

    slots: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    longest: int

    @classmethod
    def of(cls, tokens: TokenBytes, log_probs: NDArray[np.float64]) -> UnigramPieces:
        slots = np.full(1 << max(4, int(2 * len(log_probs)).bit_length()), _EMPTY)
        _fill_pieces(tokens.content, tokens.starts, slots)
        return cls(slots, log_probs, int(np.diff(tokens.starts).max()))


@inlined
def _uniform(state: Array) -> float:
    """The next number of SplitMix64 (Steele et al. 2014, figure 17), from 0 to 1, exclusive of 1."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = state[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return np.float64(mixed >> np.uint64(11)) * 2.0**-53


@inlined
def _slot_of_pair(first: int, second: int, slots: int) -> int:
    return (first * 0x9E3779B1 + second * 0x85EBCA77) & (slots - 1)


@compiled
def _fill_merges(merges: Array, pairs: Array, ranks: Array, merged: Array) -> None:
    for rank in range(len(merges)):
        slot = _slot_of_pair(merges[rank, 0], merges[rank, 1], len(ranks))
        while ranks[slot] != _EMPTY:
            slot = (slot + 1) & (len(ranks) - 1)
        pairs[slot, 0], pairs[slot, 1] = merges[rank, 0], merges[rank, 1]
        ranks[slot], merged[slot] = rank, merges[rank, 2]


@inlined
def _find_merge(first: int, second: int, pairs: Array, ranks: Array) -> int:
    """The slot of a merge, or -1."""
    slot = _slot_of_pair(first, second, len(ranks))
    while ranks[slot] != _EMPTY:
        if pairs[slot, 0] == first and pairs[slot, 1] == second:
            return slot
        slot = (slot + 1) & (len(ranks) - 1)
    return _EMPTY


@inlined
def _merge_word(
    symbols: Array, count: int, pairs: Array, ranks: Array, merged: Array, dropout: float, state: Array
) -> int:
    """Merges the first `count` symbols in place and returns how many are left. In each round, every possible merge is
    left out with probability `dropout`, and the first of the others by rank is made; with none left, the word is done
    (Provilkov et al. 2020, algorithm 1)."""
    while count > 1:
        best, place, best_slot = len(ranks), _EMPTY, _EMPTY
        for at in range(count - 1):
            slot = _find_merge(symbols[at], symbols[at + 1], pairs, ranks)
            if slot != _EMPTY and ranks[slot] < best and _uniform(state) >= dropout:
                best, place, best_slot = ranks[slot], at, slot
        if place == _EMPTY:
            return count
        symbols[place] = merged[best_slot]
        for at in range(place + 1, count - 1):
            symbols[at] = symbols[at + 1]
        count -= 1
    return count


@inlined
def _end_of_word(ids: Array, at: int, inner: int, content: Array, starts: Array, word: Array) -> tuple[int, int, int]:
    """Copies the bytes of a word into `word`, from byte `inner` of the token at `at`: up to the next space or special
    token. Returns the number of bytes, and the place and the byte of a token where the next word begins."""
    size = 0
    while at < len(ids):
        first, last = starts[ids[at]], starts[ids[at] + 1]
        if first == last:
            break
        for place in range(first + inner, last):
            if content[place] == _SPACE and size > 0:
                return size, at, place - first
            word[size] = content[place]
            size += 1
        at, inner = at + 1, 0
    return size, at, 0


@compiled
def segment_by_merges(
    ids: Array, content: Array, starts: Array, pairs: Array, ranks: Array, merged: Array, byte_ids: Array,
    dropout: float, seed: int, output: Array,
) -> int:  # fmt: skip
    """Writes the ids of a row, its words segmented anew, into `output`, and returns their number."""
    state = np.array([seed], np.uint64)
    word, symbols = np.empty(len(output), np.uint8), np.empty(len(output), np.int64)
    at, inner, written = 0, 0, 0
    while at < len(ids):
        size, next_at, inner = _end_of_word(ids, at, inner, content, starts, word)
        if size == 0:
            output[written] = ids[at]
            at, written = at + 1, written + 1
            continue
        for place in range(size):
            symbols[place] = byte_ids[word[place]]
        count = _merge_word(symbols, size, pairs, ranks, merged, dropout, state)
        output[written : written + count] = symbols[:count]
        at, written = next_at, written + count
    return written


@inlined
def _slot_of_bytes(content: Array, first: int, last: int, slots: int) -> int:
    value = 0
    for place in range(first, last):
        value = (value * 31 + content[place] + 1) & 0xFFFFFFFF
    return ((value * _HASH) >> 7) & (slots - 1)


@inlined
def _same_bytes(content: Array, first: int, last: int, word: Array, begin: int) -> bool:
    same = True
    for place in range(first, last):
        same = same and content[place] == word[begin + place - first]
    return same


@compiled
def _fill_pieces(content: Array, starts: Array, slots: Array) -> None:
    for number in range(len(starts) - 1):
        if starts[number] == starts[number + 1]:
            continue
        slot = _slot_of_bytes(content, starts[number], starts[number + 1], len(slots))
        while slots[slot] != _EMPTY:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = number


@inlined
def _find_piece(word: Array, begin: int, end: int, content: Array, starts: Array, slots: Array) -> int:
    """The id of the piece with the bytes `begin` to `end` of a word, or -1."""
    slot = _slot_of_bytes(word, begin, end, len(slots))
    while slots[slot] != _EMPTY:
        number = slots[slot]
        first, last = starts[number], starts[number + 1]
        if last - first == end - begin and _same_bytes(content, first, last, word, begin):
            return number
        slot = (slot + 1) & (len(slots) - 1)
    return _EMPTY


@inlined
def _sample_pieces(
    word: Array, size: int, content: Array, starts: Array, slots: Array, log_probs: Array, longest: int, power: float,
    state: Array, totals: Array, pieces: Array,
) -> int:  # fmt: skip
    """Writes sampled pieces of a word into `pieces`, the last first, and returns their number: forward filtering,
    backward sampling over all segmentations, whose probabilities are raised to `power` (Kudo 2018, section 3.2)."""
    totals[0] = 0.0
    for end in range(1, size + 1):
        totals[end] = -np.inf
        for begin in range(max(0, end - longest), end):
            number = _find_piece(word, begin, end, content, starts, slots)
            if number != _EMPTY and totals[begin] > -np.inf:
                score = totals[begin] + power * log_probs[number]
                high, low = max(totals[end], score), min(totals[end], score)
                totals[end] = high + np.log1p(np.exp(low - high)) if low > -np.inf else high
    count, end = 0, size
    while end > 0:
        left, chosen_piece, chosen_begin = _uniform(state), _EMPTY, end - 1
        for begin in range(end - 1, max(0, end - longest) - 1, -1):
            number = _find_piece(word, begin, end, content, starts, slots)
            if number == _EMPTY or totals[begin] == -np.inf:
                continue
            chosen_piece, chosen_begin = number, begin
            left -= np.exp(totals[begin] + power * log_probs[number] - totals[end])
            if left < 0:
                break
        pieces[count] = chosen_piece
        count, end = count + 1, chosen_begin
    return count


@compiled
def segment_by_pieces(
    ids: Array, content: Array, starts: Array, slots: Array, log_probs: Array, longest: int, power: float, seed: int,
    output: Array,
) -> int:  # fmt: skip
    """Writes the ids of a row, its words segmented anew, into `output`, and returns their number."""
    state = np.array([seed], np.uint64)
    word, pieces = np.empty(len(output), np.uint8), np.empty(len(output), np.int64)
    totals = np.empty(len(output) + 1)
    at, inner, written = 0, 0, 0
    while at < len(ids):
        size, next_at, inner = _end_of_word(ids, at, inner, content, starts, word)
        if size == 0:
            output[written] = ids[at]
            at, written = at + 1, written + 1
            continue
        count = _sample_pieces(word, size, content, starts, slots, log_probs, longest, power, state, totals, pieces)
        output[written : written + count] = pieces[:count][::-1]
        at, written = next_at, written + count
    return written
