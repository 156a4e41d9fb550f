"""Deterministic training: the same vectors, bit for bit, whatever the number of threads.

Windows go by in rounds of a fixed size. All gradients of a round are worked out with the rows as they are at its
beginning, window by window, by any thread. Then every row is moved by one thread alone, in the order of the windows.
So a round is a step of gradient descent on its windows. The gradients of a frequent word's row would add up to more
than its way; so no row moves farther than a rate of `_FARTHEST` takes it along the mean of its gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, inlined
from seqloom.models.word_vectors.async_sgd import add_row, choose, compose, context, longest_path
from seqloom.models.word_vectors.sampling import END, below, drawn, keep_words, next_state, seeded
from seqloom.models.word_vectors.window import TOGETHER, is_full, new_tally, score_outputs, settled
from seqloom.threads import num_threads

_WINDOWS, _PIECES = 512, 8
_FARTHEST = 0.5


class Round:
    """The room that a round needs, and what is done in one."""

    def __init__(self, tree: Any, stride: int, window: int, negatives: int, rows: tuple[int, int]) -> None:
        """`rows`: how many inputs and outputs there are."""
        most = longest_path(tree.begins) if len(tree.begins) > 1 else negatives + 1
        blocks = -(-most // TOGETHER)
        self.around = np.zeros((_WINDOWS, 2 * window), np.int64)
        self.found = np.zeros(_WINDOWS, np.int64)
        self.out_at = np.zeros((_WINDOWS, blocks * TOGETHER), np.int64)
        self.scores = np.zeros((_WINDOWS, blocks * 16 * window), np.float32)
        self.hidden = np.zeros((_WINDOWS, 2 * window * stride), np.float32)
        self.moved = np.zeros_like(self.hidden)
        self.times = tuple(np.zeros(number, np.int32) for number in rows)

    def arrays(self) -> tuple[Any, ...]:
        return self.around, self.found, self.out_at, self.scores, self.hidden, self.moved


def pass_in_rounds(ids: Array, arguments: tuple[Any, ...], rate: float, seed: int, number: int) -> tuple[float, int]:
    """What `pass_over` does with `ids` and the `arguments` that it takes after the bounds, on all threads."""
    draws, tree, parts, inputs, outputs, stride, window, negatives, joined, spread = arguments
    threads = num_threads()
    room = Round(tree, stride, window, negatives, (len(inputs) // stride, len(outputs) // stride))
    kept = kept_words(ids, draws[0], seed, number)
    size = _WINDOWS // _PIECES
    total, pairs = 0.0, 0
    rows, most = (inputs, outputs, stride), _FARTHEST / rate
    with ThreadPoolExecutor(threads) as pool:
        run: Callable[..., Iterable[Any]] = pool.map if threads > 1 else map

        for start in range(0, len(kept), _WINDOWS):

            def measured(piece: int, start: int = start) -> tuple[float, int]:
                at = piece * size
                chosen = draws[1], draws[2]
                return measure(
                    kept, start + at, at, size, chosen, tree, parts, *rows, window, negatives, joined, np.float32(rate),
                    seed, number, room.arrays()
                )  # fmt: skip

            def moved(owner: int) -> None:
                for step in range(3):  # count; move; forget the counts
                    move(room.arrays(), parts, *rows, joined, spread, most, room.times, owner, threads, step)

            for loss, count in run(measured, range(_PIECES)):
                total, pairs = total + loss, pairs + count
            list(run(moved, range(threads)))
    return total, pairs


def kept_words(ids: Array, keep: Array, seed: int, number: int) -> Array:
    kept = np.empty(len(ids), np.int32)
    return kept[: _keep(ids, keep, seed, number, kept)]


@compiled
def _keep(ids: Array, keep: Array, seed: int, number: int, kept: Array) -> int:
    return keep_words(ids, 0, ids.shape[0], keep, seeded(seed, number), kept)[0]


@compiled
def measure(
    kept: Array,
    first: int,
    place: int,
    count: int,
    draws: Any,
    tree: Any,
    parts: Any,
    inputs: Array,
    outputs: Array,
    stride: int,
    window: int,
    negatives: int,
    joined: bool,
    rate: Any,
    seed: int,
    number: int,
    room: Any,
) -> Any:
    """The gradients of the windows around `kept[first:first + count]`, into `place` of the room and on."""
    around, found, out_at, scores, hidden, moved = room
    stay, other = draws
    in_at, signs = np.empty(2 * window, np.int64), np.zeros(out_at.shape[1] // TOGETHER * 8, np.float32)
    tally, total, pairs = new_tally(), 0.0, 0
    for i in range(first, first + count):
        w = place + i - first
        found[w] = 0
        if i >= kept.shape[0] or kept[i] == END:
            continue
        # Its own random numbers: they do not depend on what another thread does.
        state = next_state(seeded(seed ^ (number << 20), i + 1))
        size = context(kept, i, kept.shape[0], window - below(drawn(state), window), around[w])
        if size == 0:
            continue
        found[w] = size
        num_outputs, state = choose(kept[i], stay, other, tree, stride, negatives, out_at[w], signs, state)
        out_at[w, num_outputs:] = 0
        num_inputs = compose(inputs, parts, around[w], size, stride, joined, hidden[w], in_at)
        moved[w, : num_inputs * stride] = np.float32(0)
        if is_full(tally, num_inputs, num_outputs):
            total += settled(tally)
        for block in range((num_outputs + TOGETHER - 1) // TOGETHER):
            o, own = block * TOGETHER, scores[w, block * 16 * window :]
            score_outputs(
                hidden[w], in_at, num_inputs, outputs, out_at[w], o, signs, block * 8, stride, rate, own, tally
            )
            for c in range(num_inputs):
                for k in range(TOGETHER):
                    add_row(moved[w], in_at[c], outputs, out_at[w, o + k], own[8 * c + k], stride)
        for block in range((num_outputs + TOGETHER - 1) // TOGETHER, out_at.shape[1] // TOGETHER):
            scores[w, block * 16 * window : (block + 1) * 16 * window] = np.float32(0)
        pairs += num_inputs
    return total + settled(tally), pairs


@compiled
def move(
    room: Any,
    parts: Any,
    inputs: Array,
    outputs: Array,
    stride: int,
    joined: bool,
    spread: bool,
    most: float,
    times: Any,
    owner: int,
    owners: int,
    step: int,
) -> None:
    """Moves the rows whose numbers leave `owner` when divided by `owners`, by up to `most` of their mean gradients.
    `times`: room to count a row's gradients, which the step before does and the one after undoes."""
    of_inputs, of_outputs = times
    _move_inputs(room, parts, inputs, stride, joined, spread, most, of_inputs, owner, owners, step)
    _move_outputs(room, outputs, stride, joined, most, of_outputs, owner, owners, step)


@inlined
def _share(times: int, most: float) -> Any:
    return np.float32(1) if times <= most else np.float32(most / times)


@inlined
def _move_inputs(
    room: Any,
    parts: Any,
    inputs: Array,
    stride: int,
    joined: bool,
    spread: bool,
    most: float,
    times: Array,
    owner: int,
    owners: int,
    step: int,
) -> None:
    around, found, _, _, _, moved = room
    starts, rows = parts
    for w in range(found.shape[0]):
        of_mean = np.float32(1.0 / found[w]) if joined and spread and found[w] else np.float32(1)
        for c in range(found[w]):
            word, at = around[w, c], 0 if joined else c * stride
            begin, end = (starts[word], starts[word + 1]) if rows.shape[0] else (0, 1)
            for part in range(begin, end):
                row = rows[part] if rows.shape[0] else word
                if row % owners != owner:
                    continue
                if step == 0:
                    times[row] += 1
                elif step == 1:
                    add_row(inputs, row * stride, moved[w], at, of_mean * _share(times[row], most), stride)
                else:
                    times[row] = 0


@inlined
def _move_outputs(
    room: Any, outputs: Array, stride: int, joined: bool, most: float, times: Array, owner: int, owners: int, step: int
) -> None:
    _, found, out_at, scores, hidden, _ = room
    across = scores.shape[1] // (out_at.shape[1] // TOGETHER)
    for w in range(found.shape[0]):
        num_inputs = 1 if joined and found[w] else found[w]
        for o in range(out_at.shape[1]):
            row = out_at[w, o] // stride
            if row == 0 or row % owners != owner:
                continue
            if step == 0:
                times[row] += num_inputs
            elif step == 2:
                times[row] = 0
            else:
                for c in range(num_inputs):
                    score = scores[w, o // TOGETHER * across + 8 * c + o % TOGETHER]
                    add_row(outputs, row * stride, hidden[w], c * stride, score * _share(times[row], most), stride)
