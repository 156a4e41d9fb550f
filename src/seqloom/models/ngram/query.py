"""Compiled queries to a store: the probability of a word after a context, and the full next-word distribution.

A context is the node of the longest known suffix of the words read, or -1. If a word was not seen after it, the context
without its first word is tried, at the cost of a back-off weight (Katz 1987); `suffix` links to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, compiled_functions, inlined
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom_portable import ngram_query
from seqloom_portable.ngram_query import NO_CONTEXT

COMPILED = compiled_functions(ngram_query, inline=True)
find_child, find_after, context_of, after = (
    COMPILED[name] for name in ("find_child", "find_after", "context_of", "after")
)


@inlined
def after_all(store: Any, ids: Array) -> int:
    context = NO_CONTEXT
    for i in range(ids.shape[0]):
        context = after(store, context, ids[i])
    return context


@compiled
def score_steps(store: Any, before: Array, inputs: Array, targets: Array, out: Array, first: int, last: int) -> None:
    """log10 p(target) at each step of the rows `first` to `last`; `before` has the ids that precede each row."""
    log_probs = store[2]
    for row in range(first, last):
        context = after_all(store, before[row])
        node = NO_CONTEXT
        for step in range(inputs.shape[1]):
            word = inputs[row, step]
            if step > 0 and word == targets[row, step - 1] and word > EOS:
                context = context_of(store, node)  # the node of the previous target
            else:
                context = after(store, context, word)
            node, weight = find_after(store, context, targets[row, step])
            out[row, step] = log_probs[node] + weight


@compiled
def distributions(store: Any, before: Array, out: Array, first: int, last: int) -> None:
    """log10 p(word | ids) of all words after each row of ids."""
    sizes, words, log_probs, suffix, backoffs, begin = store
    chain = np.empty(sizes.shape[0], np.int64)
    for row in range(first, last):
        context, depth, weight = after_all(store, before[row]), 0, np.float32(0)
        while context >= 0:
            chain[depth] = context
            depth += 1
            weight += backoffs[context]
            context = np.int64(suffix[context]) if context >= sizes[0] else NO_CONTEXT
        for word in range(sizes[0]):
            out[row, word] = log_probs[word] + weight
        for shorter in range(depth - 1, -1, -1):
            context = chain[shorter]
            weight = np.float32(0)
            for longer in range(shorter):
                weight += backoffs[chain[longer]]
            for child in range(begin[context], begin[context + 1]):
                out[row, words[child]] = log_probs[child] + weight
        out[row, PAD] = out[row, SOS] = -np.inf
