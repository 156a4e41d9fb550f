"""Deterministic training: the same vectors, bit for bit, for any number of threads.

Windows are processed in rounds of a fixed size. All gradients of a round are computed with the rows as they were at its
beginning, window by window, by any thread. Then every row is updated by exactly one thread, in the order of the
windows. A round is therefore one step of gradient descent on its windows. The summed gradients of a frequent word would
make a step that is too long, so a row moves at most as far as with a rate of `_MAX_RATE` along the mean of its
gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled, inlined
from seqloom.models.word_vectors.network import (
    Network,
    add_row,
    choose_outputs,
    compose_inputs,
    find_context,
    max_outputs,
)
from seqloom.models.word_vectors.sampling import (
    LINE_END,
    next_state,
    random_below,
    random_bits,
    seed_state,
    subsample,
)
from seqloom.models.word_vectors.window import TOGETHER, is_full, new_tally, score_outputs, settled
from seqloom.processors import num_threads

_WINDOWS, _PIECES = 512, 8
_MAX_RATE = 0.5


class Round(NamedTuple):
    """The results of a round's windows that the update needs: the context and the outputs of each window, the factors
    by which each input changes each output (`scores`), the inputs (`hidden`) and their gradients. `num_input_gradients`
    and `num_output_gradients` count the gradients of each row in this round."""

    contexts: NDArray[np.int64]
    context_sizes: NDArray[np.int64]
    outputs_at: NDArray[np.int64]
    scores: NDArray[np.float32]
    hidden: NDArray[np.float32]
    gradients: NDArray[np.float32]
    num_input_gradients: NDArray[np.int32]
    num_output_gradients: NDArray[np.int32]


def make_round(network: Network) -> Round:
    stride, blocks = network.stride, -(-_max_outputs(network) // TOGETHER)
    most_inputs = 2 * network.window + bool(network.first_document)
    return Round(
        np.zeros((_WINDOWS, most_inputs), np.int64),
        np.zeros(_WINDOWS, np.int64),
        np.zeros((_WINDOWS, blocks * TOGETHER), np.int64),
        np.zeros((_WINDOWS, blocks * 8 * most_inputs), np.float32),
        np.zeros((_WINDOWS, most_inputs * stride), np.float32),
        np.zeros((_WINDOWS, most_inputs * stride), np.float32),
        np.zeros(len(network.inputs) // stride, np.int32),
        np.zeros(len(network.outputs) // stride, np.int32),
    )


@compiled
def _max_outputs(network: Any) -> int:
    return max_outputs(network)


def pass_in_rounds(
    ids: Array, network: Network, rate: float, seed: int, number: int, document: int
) -> tuple[float, int]:
    """Trains the network on all `ids` in rounds, on all threads. `document`: the line that begins at the first of them
    or before it. Returns the summed loss in nats and the number of inputs."""
    threads, buffers = num_threads(), make_round(network)
    words = np.empty(len(ids), np.int32)
    words = words[: _subsample(ids, network, seed, number, words)]
    documents = np.zeros(0, np.int64)
    if network.first_document:
        documents = network.first_document + document + np.cumsum(words == LINE_END)
    piece_size = _WINDOWS // _PIECES
    total, pairs = 0.0, 0
    with ThreadPoolExecutor(threads) as pool:
        run: Callable[..., Iterable[Any]] = pool.map if threads > 1 else map

        for start in range(0, len(words), _WINDOWS):

            def measure(piece: int, start: int = start) -> tuple[float, int]:
                place = piece * piece_size
                at = start + place
                return measure_windows(
                    words, documents, at, place, piece_size, network, np.float32(rate), seed, number, buffers
                )

            def update(owner: int) -> None:
                for step in (_COUNT, _MOVE, _FORGET):
                    update_rows(network, buffers, _MAX_RATE / rate, owner, threads, step)

            for loss, count in run(measure, range(_PIECES)):
                total, pairs = total + loss, pairs + count
            list(run(update, range(threads)))
    return total, pairs


@compiled
def _subsample(ids: Array, network: Any, seed: int, number: int, words: Array) -> int:
    return subsample(ids, 0, ids.shape[0], network.sampler.keep_prob, seed_state(seed, number), words)[0]


@compiled
def measure_windows(
    words: Array,
    documents: Array,
    first: int,
    place: int,
    count: int,
    network: Any,
    rate: Any,
    seed: int,
    number: int,
    buffers: Any,
) -> Any:
    """Computes the gradients of the windows around `words[first:first + count]` into the buffers from `place` on.
    `documents`: the input of each word's document, if there are any. Returns the summed loss in nats and the number of
    inputs."""
    contexts, context_sizes, outputs_at, scores, hidden, gradients, _, _ = buffers
    inputs, outputs, stride, word_rows, sampler, tree, window, negatives, is_cbow, _, first_document = network
    _, alias_prob, alias = sampler
    most_inputs = contexts.shape[1]
    inputs_at, signs = np.empty(most_inputs, np.int64), np.zeros(outputs_at.shape[1] // TOGETHER * 8, np.float32)
    tally, total, pairs = new_tally(), 0.0, 0
    for i in range(first, first + count):
        w = place + i - first
        context_sizes[w] = 0
        if i >= words.shape[0] or words[i] == LINE_END:
            continue
        # Each window has its own random numbers, independent of the other threads.
        state = next_state(seed_state(seed ^ (number << 20), i + 1))
        reach = window - random_below(random_bits(state), window)
        size = find_context(words, i, words.shape[0], reach, contexts[w])
        if first_document:
            contexts[w, size] = documents[i]
            size += 1
        if size == 0:
            continue
        context_sizes[w] = size
        num_outputs, state = choose_outputs(
            words[i], alias_prob, alias, tree, stride, negatives, outputs_at[w], signs, state
        )
        outputs_at[w, num_outputs:] = 0
        num_inputs = compose_inputs(inputs, word_rows, contexts[w], size, stride, is_cbow, hidden[w], inputs_at)
        gradients[w, : num_inputs * stride] = np.float32(0)
        if is_full(tally, num_inputs, num_outputs):
            total += settled(tally)
        blocks = (num_outputs + TOGETHER - 1) // TOGETHER
        for block in range(blocks):
            o, block_scores = block * TOGETHER, scores[w, block * 8 * most_inputs :]
            score_outputs(
                hidden[w],
                inputs_at,
                num_inputs,
                outputs,
                outputs_at[w],
                o,
                signs,
                block * 8,
                stride,
                rate,
                block_scores,
                tally,
            )
            for c in range(num_inputs):
                for k in range(TOGETHER):
                    score = block_scores[8 * c + k]
                    add_row(gradients[w], inputs_at[c], outputs, outputs_at[w, o + k], score, stride)
        for block in range(blocks, outputs_at.shape[1] // TOGETHER):
            scores[w, block * 8 * most_inputs : (block + 1) * 8 * most_inputs] = np.float32(0)
        pairs += num_inputs
    return total + settled(tally), pairs


_COUNT, _MOVE, _FORGET = 0, 1, 2
"""The steps of an update: count the gradients of each row, move the rows, reset the counts to 0."""


@compiled
def update_rows(network: Any, buffers: Any, most: float, owner: int, owners: int, step: int) -> None:
    """Updates the rows whose number modulo `owners` is `owner`, each by at most `most` times the mean of its
    gradients."""
    _update_inputs(network, buffers, most, owner, owners, step)
    _update_outputs(network, buffers, most, owner, owners, step)


@inlined
def _share(num_gradients: int, most: float) -> Any:
    return np.float32(1) if num_gradients <= most else np.float32(most / num_gradients)


@inlined
def _update_inputs(network: Any, buffers: Any, most: float, owner: int, owners: int, step: int) -> None:
    contexts, context_sizes, _, _, _, gradients, num_gradients, _ = buffers
    starts, rows = network.word_rows
    inputs, stride, is_cbow = network.inputs, network.stride, network.is_cbow
    for w in range(context_sizes.shape[0]):
        size = context_sizes[w]
        of_mean = np.float32(1.0 / size) if is_cbow and network.average_gradient and size else np.float32(1)
        for c in range(size):
            word, at = contexts[w, c], 0 if is_cbow else c * stride
            begin, end = (starts[word], starts[word + 1]) if rows.shape[0] else (0, 1)
            for number in range(begin, end):
                row = rows[number] if rows.shape[0] else word
                if row % owners != owner:
                    continue
                if step == _COUNT:
                    num_gradients[row] += 1
                elif step == _MOVE:
                    factor = of_mean * _share(num_gradients[row], most)
                    add_row(inputs, row * stride, gradients[w], at, factor, stride)
                else:
                    num_gradients[row] = 0


@inlined
def _update_outputs(network: Any, buffers: Any, most: float, owner: int, owners: int, step: int) -> None:
    _, context_sizes, outputs_at, scores, hidden, _, _, num_gradients = buffers
    outputs, stride = network.outputs, network.stride
    block_size = scores.shape[1] // (outputs_at.shape[1] // TOGETHER)
    for w in range(context_sizes.shape[0]):
        num_inputs = 1 if network.is_cbow and context_sizes[w] else context_sizes[w]
        for o in range(outputs_at.shape[1]):
            row = outputs_at[w, o] // stride
            if row == 0 or row % owners != owner:
                continue
            if step == _COUNT:
                num_gradients[row] += num_inputs
            elif step == _FORGET:
                num_gradients[row] = 0
            else:
                for c in range(num_inputs):
                    score = scores[w, o // TOGETHER * block_size + 8 * c + o % TOGETHER]
                    factor = score * _share(num_gradients[row], most)
                    add_row(outputs, row * stride, hidden[w], c * stride, factor, stride)
