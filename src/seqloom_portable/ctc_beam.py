"""Prefix beam search of CTC, with an n-gram model and a list of words fused into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.ctc import BLANK, CtcHypothesis
from seqloom_portable.ngram_query import NO_CONTEXT, after, find_after
from seqloom_portable.specials import EOS, SOS, UNK
from seqloom_portable.word_lexicon import BEGINS, INSIDE, SEPARATES, WHOLE, WordLexicon

_LN_10 = math.log(10)
NEVER = -1e30


class Fusion(NamedTuple):
    """A language model for a search. A hypothesis is ranked by log p(text | sound) + `ngram_weight` * log p(words) +
    `word_bonus` * words, in nats. `closed`: only words of the lexicon are written."""

    lexicon: WordLexicon
    store: Sequence[NDArray[Any]]
    ngram_weight: float = 0.0
    word_bonus: float = 0.0
    closed: bool = False


def prefix_beam(
    log_probs: NDArray[np.float32],
    beam_size: int,
    n_best: int,
    fusion: Fusion | None = None,
    margin: float = 12.0,
    compiled: Callable[..., Any] | None = None,
) -> list[CtcHypothesis]:
    """The best texts of (steps, vocab) log-probabilities (Graves 2012, section 7.5; Hannun et al. 2014, algorithm 1).

    At each step, tokens that are less probable than the best one by more than `margin` nats are not tried. With a beam
    that holds every prefix and an infinite margin the search is exhaustive. `compiled`: a compiled `search`.
    """
    lexicon, store, weights = _none(log_probs.shape[1]) if fusion is None else _arrays_of(fusion)
    log_probs = np.ascontiguousarray(log_probs, np.float32)
    if not len(log_probs):
        return [CtcHypothesis([], 0.0, 0.0)]
    parents, tokens, nodes, scores, totals = (compiled or search)(log_probs, beam_size, margin, lexicon, store, weights)
    order = np.argsort(-scores, kind="stable")[:n_best]
    hypotheses = []
    for place in order:
        if scores[place] <= NEVER / 2:
            continue
        ids, node = [], int(nodes[place])
        while node > 0:
            ids.append(int(tokens[node]))
            node = int(parents[node])
        hypotheses.append(CtcHypothesis(ids[::-1], float(totals[place]), float(scores[place])))
    return hypotheses or [CtcHypothesis([], float(log_probs[:, BLANK].sum()), float(log_probs[:, BLANK].sum()))]


def _none(vocab_size: int) -> tuple[Any, Any, NDArray[np.float64]]:
    nothing = np.full(1, -1, np.int32)
    lexicon = (nothing, nothing, nothing, nothing, np.full(vocab_size, INSIDE, np.int8))
    store = (
        np.array([EOS + 1], np.int64), np.arange(EOS + 1, dtype=np.uint32), np.zeros(EOS + 1, np.float32),
        np.zeros(EOS + 1, np.uint32), np.zeros(0, np.float32), np.zeros(1, np.uint32),
    )  # fmt: skip
    return lexicon, store, np.zeros(3)


def _arrays_of(fusion: Fusion) -> tuple[Any, Any, NDArray[np.float64]]:
    weights = np.array([fusion.ngram_weight * _LN_10, fusion.word_bonus, float(fusion.closed)])
    return tuple(fusion.lexicon), tuple(fusion.store), weights


def log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a + np.log1p(np.exp(b - a)) if b > NEVER / 2 else a


def child(lexicon: Any, node: int, token: int) -> int:
    first, sibling, tokens, _, _ = lexicon
    if node < 0:
        return -1
    place = first[node]
    while place >= 0 and tokens[place] != token:
        place = sibling[place]
    return place


def word_ends(lexicon: Any, store: Any, weights: Any, node: int, context: int) -> tuple[float, int]:
    """What a word that ends at a node of the lexicon adds to the score, and the context after it; an unknown word is
    the token of that name. -1e30 where words of the lexicon alone are allowed."""
    word = lexicon[3][node] if node > 0 else -1
    if word < 0:
        if weights[2] > 0:
            return NEVER, context
        word = UNK
    if weights[0] == 0.0:
        return weights[1], context
    ngram, weight = find_after(store, context, word)
    return weights[0] * (store[2][ngram] + weight) + weights[1], after(store, context, word)


def extended(lexicon: Any, store: Any, weights: Any, node: int, context: int, token: int) -> tuple[float, int, int]:
    """What a token adds to the score of the language model, and the node and the context after it."""
    kind, added = lexicon[4][token], 0.0
    if kind == WHOLE:
        added, context = word_ends(lexicon, store, weights, child(lexicon, 0, token), context)
        return added, 0, context
    if kind != INSIDE and node != 0:
        added, context = word_ends(lexicon, store, weights, node, context)
    if kind == SEPARATES:
        return added, 0, context
    node = child(lexicon, 0 if kind == BEGINS else node, token)
    if node < 0 and weights[2] > 0:
        added = NEVER
    return added, node, context


def search(
    log_probs: Any, beam_size: int, margin: float, lexicon: Any, store: Any, weights: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """The tree of prefixes (parents, tokens), and of each hypothesis in the last beam: its node in that tree, its score
    and its log-probability.

    Prefixes are nodes of a tree, so that a prefix that falls out of the beam and comes again is the same one. Of a
    prefix there are two probabilities: of alignments that end in a blank, and in its last token.
    """
    steps, vocab = log_probs.shape
    most = beam_size * (vocab + 1)
    room = 1 + steps * beam_size
    parents, tokens = np.zeros(room, np.int32), np.full(room, -1, np.int32)
    firsts, siblings = np.full(room, -1, np.int32), np.full(room, -1, np.int32)
    size, width = 1, 1
    nodes, places, contexts = (
        np.zeros(beam_size, np.int64),
        np.zeros(beam_size, np.int64),
        np.zeros(beam_size, np.int64),
    )
    blank, token_end, language = np.full(beam_size, NEVER), np.full(beam_size, NEVER), np.zeros(beam_size)
    blank[0] = 0.0
    contexts[0] = after(store, NO_CONTEXT, SOS)
    new_blank, new_end, new_language = np.empty(most), np.empty(most), np.empty(most)
    new_node, new_parent, new_token = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    new_place, new_context = np.empty(most, np.int64), np.empty(most, np.int64)
    scores = np.empty(most)
    for step in range(steps):
        row = log_probs[step]
        least = row.max() - margin
        for i in range(width):  # the prefixes themselves, the beam's order kept
            last = tokens[nodes[i]]
            new_blank[i] = log_add(blank[i], token_end[i]) + row[BLANK]
            new_end[i] = token_end[i] + row[last] if last >= 0 else NEVER
            new_language[i], new_node[i], new_parent[i], new_token[i] = language[i], nodes[i], -1, -1
            new_place[i], new_context[i] = places[i], contexts[i]
        count = width
        for i in range(width):
            node = nodes[i]
            last = tokens[node]
            both = log_add(blank[i], token_end[i])
            for token in range(vocab):
                if token == BLANK or row[token] < least:
                    continue
                reached = (blank[i] if token == last else both) + row[token]
                if reached <= NEVER / 2:
                    continue
                child = firsts[node]
                while child >= 0 and tokens[child] != token:
                    child = siblings[child]
                if child >= 0:
                    slot = -1
                    for j in range(width):
                        if nodes[j] == child:
                            slot = j
                    if slot >= 0:  # the beam has the longer prefix already
                        new_end[slot] = log_add(new_end[slot], reached)
                        continue
                added, place, context = extended(lexicon, store, weights, places[i], contexts[i], token)
                if added <= NEVER / 2:
                    continue
                new_blank[count], new_end[count], new_language[count] = NEVER, reached, language[i] + added
                new_node[count], new_parent[count], new_token[count] = child, node, token
                new_place[count], new_context[count] = place, context
                count += 1
        for k in range(count):
            scores[k] = log_add(new_blank[k], new_end[k]) + new_language[k]
        best = np.argsort(-scores[:count])[:beam_size]
        width = len(best)
        for slot in range(width):
            k = best[slot]
            node = new_node[k]
            if node < 0:
                node = size
                parents[node], tokens[node] = new_parent[k], new_token[k]
                siblings[node] = firsts[new_parent[k]]
                firsts[new_parent[k]] = node
                size += 1
            nodes[slot], blank[slot], token_end[slot] = node, new_blank[k], new_end[k]
            language[slot], places[slot], contexts[slot] = new_language[k], new_place[k], new_context[k]
    totals, finals = np.empty(width), np.empty(width)
    for i in range(width):
        added, context = 0.0, contexts[i]
        if places[i] != 0:
            added, context = word_ends(lexicon, store, weights, places[i], context)
        if added > NEVER / 2 and weights[0] != 0.0:
            ngram, weight = find_after(store, context, EOS)
            added += weights[0] * (store[2][ngram] + weight)
        totals[i] = log_add(blank[i], token_end[i])
        finals[i] = totals[i] + language[i] + added
    return parents, tokens, nodes[:width], finals, totals
