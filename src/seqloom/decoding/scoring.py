"""Log-probabilities of given texts, and of given targets with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Loader
from seqloom.data.line_batches import padded
from seqloom.data.tokenizer import EOS, SOS, UNK, Tokenizer
from seqloom.decoding.batching import Source, padded_source
from seqloom.decoding.line_scores import LineScores, TokenScore
from seqloom.models.encoder_decoder import DecodesNext
from seqloom.models.language_model import PredictsNext
from seqloom.nn.layer import State, state_tensors
from seqloom_portable.batching import group_by_length

LogProb = Callable[[list[int], Tensor, Tensor, Tensor], Tensor]
"""Computes the log-probability of each token of some targets, given their indices, inputs, tokens and lengths."""

_TOKENS_AT_ONCE = 4_096


def score_lines(model: PredictsNext, lines: Sequence[Sequence[int]], first_input: int) -> LineScores:
    """The score of each line by itself, in the given order; lines of similar length are computed together."""
    return _score(lines, [len(line) + 1 for line in lines], first_input, _of_lines(model))


def score_tokens_of_lines(
    model: PredictsNext, lines: Sequence[Sequence[int]], first_input: int
) -> list[NDArray[np.float64]]:
    """The log-probability of each token of each line and of its end, (tokens + 1,) each, in the given order."""
    return _by_token(lines, [len(line) + 1 for line in lines], first_input, _of_lines(model))


def _of_lines(model: PredictsNext) -> LogProb:
    def log_prob(places: list[int], inputs: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
        state, parts = model.initial_state(len(places)), []
        device = state_tensors(state)[0].device
        inputs, targets, lengths = inputs.to(device), targets.to(device), lengths.to(device)
        # A line longer than a batch is read in parts with the state carried along, so that memory does not grow with
        # it.
        steps = max(_TOKENS_AT_ONCE // len(places), 1)
        for first in range(0, inputs.shape[1], steps):
            part = slice(first, first + steps)
            left = (lengths - first).clamp(0, steps)
            log_probs, state = model.log_prob(inputs[:, part], targets[:, part], state, left)
            parts.append(log_probs)
        return torch.cat(parts, dim=1)

    return log_prob


def score_pairs(
    model: DecodesNext, pairs: Sequence[tuple[Source, Sequence[int]]], device: torch.device | None = None
) -> LineScores:
    """The score of each target (without `<sos>` and `<eos>`) given its source (with `<eos>`), in the given order; pairs
    of similar length are computed together. `device` is the model's; None is the CPU."""
    return _score([target for _, target in pairs], _sizes(pairs), SOS, _of_pairs(model, pairs, device))


def score_tokens_of_pairs(
    model: DecodesNext, pairs: Sequence[tuple[Source, Sequence[int]]], device: torch.device | None = None
) -> list[NDArray[np.float64]]:
    """The log-probability of each token of each target and of its end, (tokens + 1,) each, given its source."""
    return _by_token([target for _, target in pairs], _sizes(pairs), SOS, _of_pairs(model, pairs, device))


def _sizes(pairs: Sequence[tuple[Source, Sequence[int]]]) -> list[int]:
    """The longer of the two sides of each pair, so that neither exceeds the budget."""
    return [max(len(source), len(target) + 1) for source, target in pairs]


def _of_pairs(
    model: DecodesNext, pairs: Sequence[tuple[Source, Sequence[int]]], device: torch.device | None
) -> LogProb:
    there = device or torch.device("cpu")

    @torch.inference_mode()
    def log_prob(places: list[int], inputs: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
        sources, source_lengths = padded_source([pairs[i][0] for i in places])
        encoded = model.encode(sources.to(there), source_lengths.to(there))
        return model.log_prob(encoded, inputs.to(there), targets.to(there), lengths.to(there))

    return log_prob


def _by_token(
    targets: Sequence[Sequence[int]], sizes: Sequence[int], first_input: int, log_prob: LogProb
) -> list[NDArray[np.float64]]:
    by_place: dict[int, NDArray[np.float64]] = {}
    for places, log_probs, _, real in _token_log_probs(targets, sizes, first_input, log_prob):
        by_place |= {place: row[mask] for place, row, mask in zip(places, log_probs, real, strict=True)}
    return [by_place[place] for place in range(len(targets))]


def named_scores(tokenizer: Tokenizer, token_ids: Sequence[int], log_probs: NDArray[np.float64]) -> list[TokenScore]:
    """The tokens with their log-probabilities, `<eos>` last."""
    names = [tokenizer.token(token) for token in (*token_ids, EOS)]
    return [TokenScore(name, float(log_prob)) for name, log_prob in zip(names, log_probs, strict=True)]


@torch.inference_mode()
def known_nats(model: PredictsNext, loader: Loader) -> tuple[float, int]:
    """The cross-entropy in nats of all targets except <unk>, and their number."""
    nats, count = 0.0, 0
    for _, targets, log_probs, counted in _log_probs_by_batch(model, loader):
        known = counted & (targets != UNK)
        nats -= float(log_probs[known].sum())
        count += int(known.sum())
    return nats, count


class LocatesTargets(Loader, Protocol):
    """A loader that also returns the position in the text of each target of a batch."""

    def positions(self, step: int) -> NDArray[np.int64]: ...


@torch.inference_mode()
def token_nats(model: PredictsNext, loader: LocatesTargets, tokens: int) -> NDArray[np.float64]:
    """(tokens,): the cross-entropy in nats of each token of a text, in the batches of `loader`."""
    nats = np.zeros(tokens)
    for step, _, log_probs, counted in _log_probs_by_batch(model, loader):
        nats[loader.positions(step)[counted]] = -log_probs[counted]
    return nats


def _log_probs_by_batch(
    model: PredictsNext, loader: Loader
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]]:
    """Yields for each batch its step, and as (batch, time) its targets, their log-probabilities, and which of them
    count."""
    state: State | None = None
    for step in range(loader.num_steps(0)):
        batch = loader.batch(0, step)
        before = state if batch.continues and state is not None else model.initial_state(batch.num_rows)
        there = batch.to(state_tensors(before)[0].device)
        log_probs, state = model.log_prob(there.inputs, there.targets, before, there.lengths)
        mask = batch.mask()
        counted = np.ones(batch.targets.shape, dtype=bool) if mask is None else mask.numpy()
        yield step, batch.targets.numpy(), log_probs.double().cpu().numpy(), counted


def _score(
    targets: Sequence[Sequence[int]],
    sizes: Sequence[int],
    first_input: int,
    log_prob: LogProb,
) -> LineScores:
    """The scores of `targets`, in order. `log_prob` computes the log-probability of each token of some targets: it
    takes their indices, inputs and targets (places, time), and lengths. `sizes`: the tokens that each takes in a
    batch."""
    totals, unknown = np.zeros(len(targets)), np.zeros(len(targets), np.int64)
    for places, log_probs, expected, real in _token_log_probs(targets, sizes, first_input, log_prob):
        totals[places] = np.where(real, log_probs, 0.0).sum(1)
        unknown[places] = (real & (expected == UNK)).sum(1)
    return LineScores(totals, np.array([len(target) + 1 for target in targets], np.int64), unknown)


def _token_log_probs(
    targets: Sequence[Sequence[int]],
    sizes: Sequence[int],
    first_input: int,
    log_prob: LogProb,
) -> Iterator[tuple[list[int], NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Yields the indices of some targets, the log-probabilities of their tokens and the tokens, (places, time), the end
    included, and a mask without padding."""
    for places in group_by_length(sizes, _TOKENS_AT_ONCE):
        lengths = np.array([len(targets[i]) + 1 for i in places])
        expected = padded([[*targets[i], EOS] for i in places])
        inputs = np.concatenate([np.full((len(places), 1), first_input), expected[:, :-1]], axis=1)
        log_probs = log_prob(places, *map(torch.from_numpy, (inputs, expected, lengths))).double().cpu().numpy()
        yield places, log_probs, expected, np.arange(expected.shape[1]) < lengths[:, None]
