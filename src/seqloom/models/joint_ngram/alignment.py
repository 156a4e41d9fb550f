"""Alignments of pairs, token by token and in order: each source token becomes 0 or a few target tokens.

The probabilities of such units are estimated by expectation maximisation over all alignments of each pair
(Jiampojamarn et al. 2007, algorithm 2, with one token on the side of the source)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled, inlined
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import UNK
from seqloom.distinct import distinct
from seqloom.errors import RequestError

_MOST_UNITS = 1 << 26
_ITERATIONS = 30
_LEAST_GAIN = 1e-3
"""Of the log-likelihood, below which iteration stops, as a share."""

_TIE = 1e-9
"""In nats."""

_SMALLEST = 1e-300
"""A smaller probability counts as 0: dividing by it would overflow."""


class Alignments(NamedTuple):
    """The `units` of all pairs that can be aligned, one pair after the other: pair i has those from `offsets[i]` to
    `offsets[i + 1]`, one for each source token. `tokens` (units, most): the target tokens of each distinct unit, <pad>
    after them; `sources` (units,): its source token. Distinct units are in the order of their source tokens."""

    units: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sources: NDArray[np.int64]
    tokens: NDArray[np.int64]


def align(source: TokenFile, target: TokenFile, sizes: tuple[int, int], most: int) -> Alignments:
    """The most probable alignment of each pair, but for those with unknown target tokens. `sizes`: of the source and
    target vocabularies; `most`: the largest number of target tokens of a unit. Raises RequestError if there are too
    many possible units."""
    source_size, base = sizes
    if source_size * base**most > _MOST_UNITS:
        raise RequestError(
            "the vocabularies are too large for a joint n-gram model, which is for letters and phonemes",
            where="tokenizer",
            got=f"{source_size:,} source and {base:,} target tokens",
            hint="set tokenizer.kind=character, or train another model",
        )
    sides = [np.asarray(side.ids, np.int64) for side in (source, target)]
    rows = (sides[0], np.asarray(source.offsets), sides[1], np.asarray(target.offsets))
    probs = np.full(source_size * base**most, 1 / base**most)
    before = -np.inf
    for _ in range(_ITERATIONS):
        counts = np.zeros_like(probs)
        log_likelihood = _expect(*rows, most, base, probs, counts)
        probs = counts / max(counts.sum(), _SMALLEST)
        if log_likelihood - before < _LEAST_GAIN * abs(log_likelihood):
            break
        before = log_likelihood
    with np.errstate(divide="ignore"):
        log_probs = np.log(probs)
    keys, lengths = np.empty(len(sides[0]), np.int64), np.zeros(source.num_lines, np.int64)
    used = _best_paths(*rows, most, base, log_probs, keys, lengths)
    keys = keys[:used]
    units = distinct(keys)
    offsets = np.concatenate([np.zeros(1, np.int64), lengths[lengths > 0].cumsum()])
    digits = [units // base**power % base for power in range(most)]
    return Alignments(np.searchsorted(units, keys), offsets, units // base**most, np.column_stack(digits))


@inlined
def _key(token: int, target: Array, place: int, count: int, most: int, base: int) -> int:
    """The number of a unit: its target tokens are the digits, the first one the lowest."""
    key = 0
    for i in range(count - 1, -1, -1):
        key = key * base + target[place + i]
    return token * base**most + key


@inlined
def _line(ids: Array, offsets: Array, number: int) -> Array:
    """The tokens of a line without its <eos>."""
    return ids[offsets[number] : offsets[number + 1] - 1]


@inlined
def _may_be_aligned(source: Array, target: Array, most: int) -> bool:
    return target.shape[0] <= most * source.shape[0] and not np.any(target == UNK)


@compiled
def _expect(
    sources: Array, source_offsets: Array, targets: Array, target_offsets: Array, most: int, base: int, probs: Array,
    counts: Array,
) -> float:  # fmt: skip
    """Adds the expected counts of units; returns the log-likelihood of the pairs that can be aligned. Forward and
    backward probabilities are scaled at each source token (Rabiner 1989, section V.A)."""
    log_likelihood = 0.0
    for pair in range(source_offsets.shape[0] - 1):
        source, target = _line(sources, source_offsets, pair), _line(targets, target_offsets, pair)
        rows, columns = source.shape[0], target.shape[0]
        if not _may_be_aligned(source, target, most):
            continue
        forward, backward = np.zeros((rows + 1, columns + 1)), np.zeros((rows + 1, columns + 1))
        scales = np.ones(rows + 1)
        forward[0, 0] = 1.0
        for i in range(rows):
            for j in range(columns + 1):
                if forward[i, j] > 0.0:
                    for count in range(min(most, columns - j) + 1):
                        key = _key(source[i], target, j, count, most, base)
                        forward[i + 1, j + count] += forward[i, j] * probs[key]
            scales[i + 1] = max(forward[i + 1].sum(), _SMALLEST)
            for j in range(columns + 1):
                forward[i + 1, j] /= scales[i + 1]
        if not forward[rows, columns] > _SMALLEST:
            continue
        log_likelihood += np.log(scales).sum() + np.log(forward[rows, columns])
        backward[rows, columns] = 1.0 / forward[rows, columns]
        for i in range(rows - 1, -1, -1):
            for j in range(columns + 1):
                for count in range(min(most, columns - j) + 1):
                    key = _key(source[i], target, j, count, most, base)
                    value = probs[key] * backward[i + 1, j + count] / scales[i + 1]
                    backward[i, j] += value
                    counts[key] += forward[i, j] * value
    return log_likelihood


@compiled
def _best_paths(
    sources: Array, source_offsets: Array, targets: Array, target_offsets: Array, most: int, base: int,
    log_probs: Array, keys: Array, lengths: Array,
) -> int:  # fmt: skip
    """Writes the numbers of the units of each pair's best alignment, and the pair's number of units; 0 if it has no
    alignment. Returns the number of all units.

    Of equally probable alignments, as of a doubled letter with one sound, it is the one that writes target tokens
    first, so that equal parts of pairs have equal units."""
    used = 0
    for pair in range(source_offsets.shape[0] - 1):
        source, target = _line(sources, source_offsets, pair), _line(targets, target_offsets, pair)
        rows, columns = source.shape[0], target.shape[0]
        if not _may_be_aligned(source, target, most):
            continue
        best, counts = np.full((rows + 1, columns + 1), -np.inf), np.zeros((rows + 1, columns + 1), np.int64)
        best[0, 0] = 0.0
        for i in range(rows):
            for j in range(columns + 1):
                if best[i, j] > -np.inf:
                    for count in range(min(most, columns - j) + 1):
                        value = best[i, j] + log_probs[_key(source[i], target, j, count, most, base)]
                        if value >= best[i + 1, j + count] - _TIE:
                            best[i + 1, j + count], counts[i + 1, j + count] = value, count
        if not best[rows, columns] > -np.inf:
            continue
        place = columns
        for i in range(rows, 0, -1):
            count = counts[i, place]
            place -= count
            keys[used + i - 1] = _key(source[i - 1], target, place, count, most, base)
        lengths[pair] = rows
        used += rows
    return used
