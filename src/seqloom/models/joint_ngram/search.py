"""The compiled search of a joint n-gram model: the most probable units for a source. A unit is a source token and the
target tokens that it becomes; an n-gram model gives the probability of a sequence of units."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, inlined
from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.models.ngram.query import after, context_of, find_after

ANY_TARGET = np.full(1, -1, np.int64)
"""Instead of a target: all targets are searched."""


@inlined
def _num_tokens(tokens: Array) -> int:
    """The number of target tokens of a unit, which are followed by <pad>."""
    count = 0
    while count < tokens.shape[0] and tokens[count] != PAD:
        count += 1
    return count


@inlined
def _continues(tokens: Array, target: Array, place: int) -> bool:
    """Whether the target tokens of a unit are those of `target` from `place` on."""
    count = _num_tokens(tokens)
    return place + count <= target.shape[0] and bool(np.all(tokens[:count] == target[place : place + count]))


@compiled
def search(
    store: Any, starts: Array, unit_tokens: Array, source: Array, target: Array, paths: Array, scores: Array
) -> int:
    """A beam search. Fills `paths` (beam, source) with the units of the best sequences, best first, and `scores`
    (beam,) with log10 p(source, target) of each. Returns their number.

    `source`: ids without <eos>. `target`: the ids without <eos> that the units must give, or `ANY_TARGET`. The units of
    source token s are `starts[s]` to `starts[s + 1]`; one without units is <unk> and gives nothing. Row u of
    `unit_tokens` has the target tokens of unit u."""
    log_probs, beam, length = store[2], paths.shape[0], source.shape[0]
    is_given = not (target.shape[0] == 1 and target[0] < 0)
    widest = 1
    for step in range(length):
        widest = max(widest, starts[source[step] + 1] - starts[source[step]])
    units, before = np.zeros((length, beam), np.int64), np.zeros((length, beam), np.int64)
    contexts, places, totals = np.zeros(beam, np.int64), np.zeros(beam, np.int64), np.zeros(beam)
    new_nodes, new_units = np.zeros(beam * widest, np.int64), np.zeros(beam * widest, np.int64)
    new_before, new_places = np.zeros(beam * widest, np.int64), np.zeros(beam * widest, np.int64)
    costs = np.zeros(beam * widest)
    contexts[0], size = after(store, -1, SOS), 1
    for step in range(length):
        first, last = np.int64(starts[source[step]]), np.int64(starts[source[step] + 1])
        if first == last:
            first, last = np.int64(UNK), np.int64(UNK + 1)
        count = 0
        for hypothesis in range(size):
            for unit in range(first, last):
                tokens, place = unit_tokens[unit], places[hypothesis]
                if is_given:
                    if not _continues(tokens, target, place):
                        continue
                    place += _num_tokens(tokens)
                node, weight = find_after(store, contexts[hypothesis], unit)
                new_nodes[count], new_units[count], new_before[count] = node, unit, hypothesis
                new_places[count], costs[count] = place, -(totals[hypothesis] + log_probs[node] + weight)
                count += 1
        best = np.argsort(costs[:count], kind="mergesort")[:beam]
        size = best.shape[0]
        for rank in range(size):
            number = best[rank]
            units[step, rank], before[step, rank] = new_units[number], new_before[number]
            contexts[rank], places[rank] = context_of(store, new_nodes[number]), new_places[number]
            totals[rank] = -costs[number]
    for hypothesis in range(size):
        node, weight = find_after(store, contexts[hypothesis], EOS)
        is_complete = not is_given or places[hypothesis] == target.shape[0]
        totals[hypothesis] = totals[hypothesis] + log_probs[node] + weight if is_complete else -np.inf
    best, count = np.argsort(-totals[:size], kind="mergesort"), 0
    for hypothesis in best:
        if totals[hypothesis] > -np.inf:
            scores[count], place = totals[hypothesis], hypothesis
            for step in range(length - 1, -1, -1):
                paths[count, step] = units[step, place]
                place = before[step, place]
            count += 1
    return count
