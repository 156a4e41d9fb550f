"""Scores many lines at a time, so that while one waits for memory, the others continue.

A look-up in a large store is a chain of memory reads, each of which takes longer than all the computation. So the next
read of every line is prefetched one turn before it is needed, during the turns of the other lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, prefetch
from seqloom.data.tokenizer import SOS, UNK
from seqloom.models.ngram.query import context_of, find_child
from seqloom_portable.ngram_query import NO_CONTEXT

_LINES = 12
"""Lines that are processed together; a core can have about this many outstanding reads."""


@compiled
def score_lines(store: Any, ids: Array, offsets: Array, totals: Array, unknown: Array, first: int, last: int) -> None:
    """log10 of the probability of each of the lines `first` to `last`, <eos> included, and the number of its
    unknown words. Line i is `ids[offsets[i]:offsets[i + 1]]`, <eos> last."""
    sizes, words, log_probs, suffix, backoffs, begin = store
    begun = SOS if sizes.shape[0] > 1 else NO_CONTEXT
    # Each slot has its line, the next token, the context, and the sums so far. If `ranged`, the range of the context's
    # children is known and being prefetched; before that, only the context is.
    line, at = np.full(_LINES, -1, np.int64), np.zeros(_LINES, np.int64)
    context, ranged = np.zeros(_LINES, np.int64), np.zeros(_LINES, np.bool_)
    start, stop = np.zeros(_LINES, np.int64), np.zeros(_LINES, np.int64)
    total, num_unknown = np.zeros(_LINES), np.zeros(_LINES, np.int64)
    coming, alive = first, 0
    for place in range(_LINES):
        if coming < last:
            line[place], at[place], context[place] = coming, offsets[coming], begun
            coming, alive = coming + 1, alive + 1
    while alive:
        for place in range(_LINES):
            if line[place] < 0:
                continue
            now = context[place]
            if now >= 0 and not ranged[place]:
                low, high = np.int64(begin[now]), np.int64(begin[now + 1])
                start[place], stop[place], ranged[place] = low, high, True
                if low < high:
                    prefetch(words, (low + high) >> 1)
                continue
            word = np.int64(ids[at[place]])
            node = word
            if now >= 0:
                child = find_child(words, start[place], stop[place], word)
                ranged[place] = False
                if child < 0:
                    total[place] += backoffs[now]
                    now = np.int64(suffix[now]) if now >= sizes[0] else NO_CONTEXT
                    context[place] = now
                    if now >= 0:
                        prefetch(begin, now)
                        prefetch(backoffs, now)
                        prefetch(suffix, now)
                    else:
                        prefetch(log_probs, word)
                    continue
                node = child
            total[place] += log_probs[node]
            num_unknown[place] += word == UNK
            now = context_of(store, node)
            at[place] += 1
            if at[place] == offsets[line[place] + 1]:
                totals[line[place]], unknown[line[place]] = total[place], num_unknown[place]
                total[place], num_unknown[place], now = 0.0, 0, begun
                if coming < last:
                    line[place], at[place] = coming, offsets[coming]
                    coming += 1
                else:
                    line[place] = -1
                    alive -= 1
            context[place] = now
            if now >= 0:
                prefetch(begin, now)
                prefetch(backoffs, now)
                prefetch(suffix, now)
