"""Log-probabilities of a whole text, read in order as one sequence, for models that adapt to what they read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.tokenizer import EOS, SOS
from seqloom.models.adaptation import Adaptive

_TOKENS_AT_ONCE = 4_800


def log_probs_in_order(
    model: Adaptive, token_ids: NDArray[np.integer[Any]], offsets: NDArray[np.int64], first_input: int
) -> NDArray[np.float64]:
    """(tokens,): the log-probability of each token, in nats, given all tokens before it.

    Line i is `token_ids[offsets[i]:offsets[i + 1]]` with its end. `first_input`: `<sos>` for a model of lines, whose
    hidden state begins anew with each line, otherwise what precedes the text."""
    state = model.initial_state(1)
    log_probs = np.empty(len(token_ids))
    for first, last, begins_line in _parts(offsets, of_lines=first_input == SOS):
        targets = torch.from_numpy(token_ids[first:last].astype(np.int64))
        before = first_input if begins_line else int(token_ids[first - 1])
        inputs = torch.cat([torch.tensor([before]), targets[:-1]])
        if begins_line:
            state = model.next_text(state)
        scores, state = model.log_prob(inputs[None], targets[None], state)
        log_probs[first:last] = scores[0].double().cpu().numpy()
    return log_probs


def scores_in_order(model: Adaptive, lines: Sequence[Sequence[int]], first_input: int) -> list[NDArray[np.float64]]:
    """The log-probability of each token of each line and of its end, (tokens + 1,) each, in the given order, given all
    lines before it."""
    offsets = np.cumsum([0, *(len(line) + 1 for line in lines)])
    token_ids = np.array([token for line in lines for token in (*line, EOS)], np.int64)
    log_probs = log_probs_in_order(model, token_ids, offsets, first_input)
    return [log_probs[first:last] for first, last in itertools.pairwise(offsets)]


def _parts(offsets: NDArray[np.int64], of_lines: bool) -> Iterator[tuple[int, int, bool]]:
    """Yields the first token, the end and whether the hidden state begins anew, of each part that is read at once."""
    texts = offsets.tolist() if of_lines else [0, int(offsets[-1])]
    for start, end in itertools.pairwise(texts):
        for first in range(start, end, _TOKENS_AT_ONCE):
            yield first, min(first + _TOKENS_AT_ONCE, end), first == start
