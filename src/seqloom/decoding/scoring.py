"""The log-probability of given texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from seqloom.data.tokenizer import EOS, PAD, UNK
from seqloom.models.language_model import PredictsNext
from seqloom.nn.layer import state_tensors

_TOKENS_AT_ONCE = 4_096


class LineScore(NamedTuple):
    """`log_prob` in nats, the end of the line included; `tokens` counts that end; `unknown` the unknown words."""

    log_prob: float
    tokens: int
    unknown: int


def score_lines(model: PredictsNext, lines: Sequence[Sequence[int]], first_input: int) -> list[LineScore]:
    """Each line's score on its own, in the order given; lines of like length are computed together."""
    scores: list[LineScore | None] = [None] * len(lines)
    by_length = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    start = 0
    while start < len(by_length):
        stop = start + 1
        while stop < len(by_length) and (stop + 1 - start) * (len(lines[by_length[stop]]) + 1) <= _TOKENS_AT_ONCE:
            stop += 1
        chosen = by_length[start:stop]
        for i, score in zip(chosen, _score_together(model, [lines[i] for i in chosen], first_input), strict=True):
            scores[i] = score
        start = stop
    return [score for score in scores if score is not None]


def _score_together(model: PredictsNext, lines: list[Sequence[int]], first_input: int) -> list[LineScore]:
    lengths = np.array([len(line) + 1 for line in lines])
    targets = np.full((len(lines), lengths.max()), PAD)
    for row, line in zip(targets, lines, strict=True):
        row[: len(line) + 1] = [*line, EOS]
    inputs = np.concatenate([np.full((len(lines), 1), first_input), targets[:, :-1]], axis=1)
    state = model.initial_state(len(lines))
    device = state_tensors(state)[0].device
    ids, wanted, real_lengths = (torch.from_numpy(array).to(device) for array in (inputs, targets, lengths))
    log_probs, _ = model.log_prob(ids, wanted, state, real_lengths)
    real = np.arange(targets.shape[1]) < lengths[:, None]
    sums = np.where(real, log_probs.double().cpu().numpy(), 0.0).sum(1)
    unknown = (real & (targets == UNK)).sum(1)
    return [LineScore(float(s), int(n), int(u)) for s, n, u in zip(sums, lengths, unknown, strict=True)]
