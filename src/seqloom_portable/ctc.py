"""Outputs of CTC: the most probable path, the alignment of a text, and utterances between pauses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.specials import PAD

BLANK = PAD
"""The id of CTC's blank: no transcript holds padding."""

_NEVER = -1e30


class CtcHypothesis(NamedTuple):
    """`log_prob`: log p(token_ids | sound), summed over the alignments that a search has kept; `score` is what it is
    ranked by."""

    token_ids: list[int]
    log_prob: float
    score: float


class TokenTimes(NamedTuple):
    """Of every token of a text: the steps at which the most probable alignment writes it first and last, and its
    highest probability among these."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def greedy(log_probs: NDArray[np.float32]) -> CtcHypothesis:
    """The most probable path of (steps, vocab) log-probabilities, its repeats and blanks left out (Graves et al. 2006,
    section 3.2)."""
    if not len(log_probs):
        return CtcHypothesis([], 0.0, 0.0)
    best = log_probs.argmax(1)
    begins = np.append(True, best[1:] != best[:-1]) & (best != BLANK)
    log_prob = float(log_probs.max(1).sum())
    return CtcHypothesis(best[begins].tolist(), log_prob, log_prob)


def text_log_probs(log_probs: NDArray[np.float32], texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """(texts,): log p(text | sound) over all alignments (Graves et al. 2006, equations 6 to 8); -1e30 where there are
    too few steps for a text."""
    sizes = np.array([len(text) for text in texts], np.int64)
    states = np.full((len(texts), 2 * int(sizes.max(initial=0)) + 1), BLANK, np.int64)
    for row, text in zip(states, texts, strict=True):
        row[1 : 2 * len(text) : 2] = text
    # From one token to the next without a blank between: not where both are the same.
    moves = np.full((len(texts), states.shape[1]), -np.inf)
    moves[:, 3::2][states[:, 3::2] != states[:, 1:-2:2]] = 0.0
    forward = np.full((len(texts), states.shape[1] + 2), -np.inf)  # two states before the first
    forward[:, 2] = 0.0
    for step, row in enumerate(log_probs.astype(np.float64)):
        if step:
            reached = np.logaddexp(np.logaddexp(forward[:, 2:], forward[:, 1:-1]), forward[:, :-2] + moves)
        else:
            reached = np.full(states.shape, -np.inf)
            reached[:, :2] = 0.0
        forward[:, 2:] = reached + row[states]
    places, last = np.arange(len(texts)), 2 * sizes + 2
    in_token = np.where(sizes > 0, forward[places, last - 1], -np.inf)
    return np.maximum(np.logaddexp(forward[places, last], in_token), _NEVER)


def utterances(log_probs: NDArray[np.float32], pause: int) -> list[slice]:
    """The stretches between pauses: steps, at least `pause` of them, whose most probable output is the blank. A pause
    belongs to no utterance, but for the step before and after its neighbours."""
    speech = np.flatnonzero(log_probs.argmax(1) != BLANK)
    if not len(speech):
        return []
    cuts = np.flatnonzero(np.diff(speech) > pause)
    starts, ends = speech[np.append(0, cuts + 1)], speech[np.append(cuts, len(speech) - 1)]
    return [slice(max(int(a) - 1, 0), min(int(b) + 2, len(log_probs))) for a, b in zip(starts, ends, strict=True)]


def aligned(
    log_probs: NDArray[np.float32], token_ids: Sequence[int], viterbi: Callable[..., NDArray[np.int64]] | None = None
) -> TokenTimes:
    """The most probable alignment of a text (Viterbi). Tokens of a text that needs more steps than there are stand at
    equal distances. `viterbi`: a compiled one."""
    tokens = np.array(token_ids, np.int64)
    if not len(tokens):
        return TokenTimes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    states = (viterbi or best_states)(np.ascontiguousarray(log_probs, np.float32), tokens)
    if states[0] < 0:
        places = np.linspace(0, max(len(log_probs) - 1, 0), len(tokens)).astype(np.int64)
        return TokenTimes(places, places, np.exp(log_probs[places, tokens].astype(np.float64)))
    spans = [np.flatnonzero(states == 2 * number + 1) for number in range(len(tokens))]
    return TokenTimes(
        np.array([steps[0] for steps in spans]),
        np.array([steps[-1] for steps in spans]),
        np.array([float(np.exp(log_probs[s, token].max())) for s, token in zip(spans, tokens, strict=True)]),
    )


def best_states(log_probs: NDArray[np.float32], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """The state of each step: 2 i + 1 at token i, even at the blanks around; -1 at the first where nothing fits."""
    steps, states = log_probs.shape[0], 2 * tokens.shape[0] + 1
    best = np.full((steps, states), _NEVER)
    before = np.zeros((steps, states), np.int8)
    best[0, 0] = log_probs[0, BLANK]
    best[0, 1] = log_probs[0, tokens[0]]
    for step in range(1, steps):
        for state in range(states):
            is_token = state % 2 == 1
            value, moved = best[step - 1, state], 0
            if state >= 1 and best[step - 1, state - 1] > value:
                value, moved = best[step - 1, state - 1], 1
            differs = state >= 3 and is_token and tokens[state // 2] != tokens[state // 2 - 1]
            if differs and best[step - 1, state - 2] > value:
                value, moved = best[step - 1, state - 2], 2
            best[step, state] = value + log_probs[step, tokens[state // 2] if is_token else BLANK]
            before[step, state] = moved
    path = np.full(steps, -1, np.int64)
    state = states - 1 if best[steps - 1, states - 1] >= best[steps - 1, states - 2] else states - 2
    if best[steps - 1, state] <= _NEVER / 2:
        return path
    for step in range(steps - 1, -1, -1):
        path[step] = state
        state -= before[step, state]
    return path
