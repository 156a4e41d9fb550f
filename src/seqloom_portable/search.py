"""Search for target sequences, one token at a time for all sources of a batch: beam search, greedy search, sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.engine import Arrays
from seqloom_portable.errors import PortableError
from seqloom_portable.keyed_rng import draw, source_key, token_keys
from seqloom_portable.sampling import Sampling
from seqloom_portable.specials import EOS, PAD, SOS
from seqloom_portable.targets import Hypothesis, longest_target

_BLOCK = 64
"""Tokens in a block, of which the largest log-probability is looked up first."""

_DROPPED_TOGETHER = 1 / 8
"""Rows of finished sources are removed from the batch when they are at least this fraction of it."""


@dataclass(frozen=True)
class Search:
    """The options of a search. Lengths are in target tokens, `<eos>` included.

    `beam_size`: the number of active hypotheses for each source; 1 is greedy. `n_best`: how many are returned.
    `length_penalty` α ranks hypotheses by log p / length^α: 0 by probability, 1 by the mean per token (the family of Wu
    et al. 2016, eq. 14, without its constant 5). `max_length`: targets are truncated at this length; 0 is `max_ratio` *
    source length + 20. A source is finished once `beam_size` hypotheses have ended and no active one, at its current
    length, ranks above the `n_best` of them; with `exact`, once no active one can at any length. `sampling` samples
    `n_best` independent targets instead; `beam_size` and `exact` then have no effect. A sample depends only on `seed`
    and the source: equal sources have equal samples. `never`: token ids that are not generated; `<pad>` and `<sos>`
    never are.
    """

    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    max_length: int = 0
    max_ratio: float = 2.0
    exact: bool = False
    sampling: Sampling | None = None
    seed: int = 1
    never: tuple[int, ...] = (PAD, SOS)

    def __post_init__(self) -> None:
        width = self.beam_size if self.sampling is None else math.inf
        for name, possible, expected in (
            ("beam_size", self.beam_size >= 1, "1 or more"),
            ("n_best", 1 <= self.n_best <= width, "1 or more, at most the beam_size"),
            ("length_penalty", 0 <= self.length_penalty < math.inf, "0 or more"),
            ("max_length", self.max_length >= 0, "0 (by the source's length) or more"),
            ("max_ratio", 0 <= self.max_ratio < math.inf, "0 or more"),
            ("seed", self.seed >= 0, "0 or more"),
        ):
            if not possible:
                raise PortableError(f"{name} is out of range: {getattr(self, name)}; expected {expected}")
        object.__setattr__(self, "never", tuple(sorted({PAD, SOS, *self.never})))

    @property
    def rows(self) -> int:
        """The number of active hypotheses for each source."""
        return self.beam_size if self.sampling is None else self.n_best

    def longest(self, source_length: int, constrained_tokens: int = 0) -> int:
        """The length at which a target is truncated. There is always room for `constrained_tokens` and an end."""
        return longest_target(source_length, self.max_length, self.max_ratio, constrained_tokens)


DecodeNext = Callable[[NDArray[np.int64], Arrays, Arrays], tuple[NDArray[np.float32], Arrays, Any]]
"""Maps the last tokens (batch, rows), the state and the encoded sources to log-probabilities (batch, rows, vocab), the
new state, and the attention (batch, rows, source) or None."""


@dataclass
class Beam:
    """The active hypotheses of a batch of sources: their tokens `written` (batch, rows, length), their
    log-probabilities `totals` (batch, rows) and their attention `looked` (batch, rows, length, source). `best` are the
    best scores of each source's ended hypotheses and `number` is how many ended. `numbers` are the sources' positions
    in the original batch, and `complete` the hypotheses that ended or were truncated, by original position."""

    numbers: NDArray[np.int64]
    written: NDArray[np.int64]
    totals: NDArray[np.float32]
    looked: NDArray[np.float32] | None
    best: NDArray[np.float32]
    number: NDArray[np.int64]
    complete: list[list[Hypothesis]] = field(default_factory=list)

    def select(self, places: NDArray[np.int64]) -> Beam:
        looked = None if self.looked is None else self.looked[places]
        written, totals = self.written[places], self.totals[places]
        best, number = self.best[places], self.number[places]
        return Beam(self.numbers[places], written, totals, looked, best, number, self.complete)


class Choice(NamedTuple):
    """The result of a step. `tokens`, `parents`, `totals` (batch, rows) of the active hypotheses; `ended` (batch,
    ends), the log-probability of each hypothesis that ended in this step, or -inf; `ended_rows`, its parent
    hypothesis."""

    tokens: NDArray[np.int64]
    parents: NDArray[np.int64]
    totals: NDArray[np.float32]
    ended: NDArray[np.float32]
    ended_rows: NDArray[np.int64]


def search_targets(
    decode_next: DecodeNext,
    state: Callable[[int], Arrays],
    encoded: Arrays,
    sources: Sequence[NDArray[Any]],
    prefixes: Sequence[Sequence[int]],
    search: Search,
) -> list[list[Hypothesis]]:
    """The `n_best` targets of each source, best first; truncated targets come after those that ended.

    `state(rows)` returns the state before the first step for that number of hypotheses for each source.
    """
    batch, rows = len(sources), 1 if search.sampling is None else search.n_best
    pairs = zip(sources, prefixes, strict=True)
    longest = np.array([search.longest(len(source), len(prefix)) for source, prefix in pairs])
    keys = None
    if search.sampling is not None:
        keys = token_keys([source_key(source) for source in sources], longest, search.n_best, search.seed)
    beam = Beam(
        np.arange(batch),
        np.zeros((batch, rows, 0), np.int64),
        np.zeros((batch, rows), np.float32),
        None,
        np.full((batch, search.n_best), -np.inf, np.float32),
        np.zeros(batch, np.int64),
        [[] for _ in sources],
    )
    tokens, memory = np.full((batch, rows), SOS, np.int64), state(rows)
    for length in range(1, int(longest.max()) + 1):
        log_probs, memory, attention = decode_next(tokens, memory, encoded)
        log_probs = restrict(log_probs, search, [prefixes[i] for i in beam.numbers], length)
        step_keys = None if keys is None else keys[beam.numbers][:, :, length - 1]
        choice = _choose(log_probs, beam, search, step_keys)
        _note_ends(beam, choice, search, length, attention, longest)
        done = _done(beam, choice, search, length, longest) | (longest[beam.numbers] <= length)
        _write(beam, choice, attention)
        beam.totals = np.where(done[:, None], -np.inf, choice.totals).astype(np.float32)
        if done.all():
            break
        order = np.arange(len(done))[:, None] * tokens.shape[1] + choice.parents
        tokens = choice.tokens
        alive = np.flatnonzero(~done)
        if len(done) - len(alive) >= _DROPPED_TOGETHER * len(done):
            beam, order, tokens = beam.select(alive), order[alive], tokens[alive]
            encoded = {name: part[alive] for name, part in encoded.items()}
        memory = {name: part[order.ravel()] for name, part in memory.items()}
    return [_ranked(hypotheses, search) for hypotheses in beam.complete]


def restrict(
    log_probs: NDArray[np.float32], search: Search, prefixes: Sequence[Sequence[int]], length: int
) -> NDArray[np.float32]:
    """`log_probs`, overwritten: -inf for tokens that must not be generated, and within a prefix for all other tokens.
    The remaining log-probabilities do not change."""
    forced = {row: prefix[length - 1] for row, prefix in enumerate(prefixes) if length <= len(prefix)}
    of_forced = {row: log_probs[row, :, token].copy() for row, token in forced.items()}
    log_probs[:, :, list(search.never)] = -np.inf
    for row, token in forced.items():
        log_probs[row] = -np.inf
        log_probs[row, :, token] = of_forced[row]
    return log_probs


def _choose(log_probs: NDArray[np.float32], beam: Beam, search: Search, keys: NDArray[np.int64] | None) -> Choice:
    if search.sampling is None and search.beam_size > 1:
        return _beam_step(log_probs, beam.totals, search.beam_size)
    if search.sampling is None:
        tokens = log_probs.argmax(2)
    else:
        assert keys is not None
        tokens = draw(search.sampling.distribution(log_probs), keys)
    totals = beam.totals + np.take_along_axis(log_probs, tokens[:, :, None], 2)[:, :, 0]
    at_end, rows = tokens == EOS, np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
    alive = np.where(at_end, -np.inf, totals).astype(np.float32)
    return Choice(tokens, rows, alive, np.where(at_end, totals, -np.inf).astype(np.float32), rows)


def _beam_step(log_probs: NDArray[np.float32], totals: NDArray[np.float32], beam_size: int) -> Choice:
    """One step of beam search. A hypothesis ends only if it is among the `beam_size` most probable; the active
    hypotheses below it move up."""
    _, rows, vocab = log_probs.shape
    ends = totals + log_probs[:, :, EOS]
    log_probs[:, :, EOS] = -np.inf
    width = min(beam_size, rows * vocab)
    best, places = most_probable_extensions(log_probs, totals, width)
    mixed, ranks = _top(np.concatenate([best, ends], axis=1), min(beam_size, width + rows))
    ended = np.where(ranks >= width, mixed, -np.inf).astype(np.float32)
    return Choice(places % vocab, places // vocab, best, ended, np.maximum(ranks - width, 0))


def most_probable_extensions(
    log_probs: NDArray[np.float32], totals: NDArray[np.float32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The `width` largest of `totals` + `log_probs` of each source, and their positions in (rows, vocab). They lie in
    the `width` blocks with the largest maxima, so that only these are searched."""
    batch, rows, vocab = log_probs.shape
    blocks = vocab // _BLOCK
    if rows * blocks < 2 * width:
        return _top((log_probs + totals[:, :, None]).reshape(batch, -1), width)
    in_blocks = log_probs[:, :, : blocks * _BLOCK].reshape(batch, rows, blocks, _BLOCK)
    maxima = (in_blocks.max(3) + totals[:, :, None]).reshape(batch, -1)
    block = np.argpartition(-maxima, width - 1, axis=1)[:, :width]
    first = block // blocks * vocab + block % blocks * _BLOCK
    after_blocks = (np.arange(rows)[:, None] * vocab + np.arange(blocks * _BLOCK, vocab)).ravel()
    searched = np.concatenate(
        [
            (first[:, :, None] + np.arange(_BLOCK)).reshape(batch, -1),
            np.broadcast_to(after_blocks, (batch, len(after_blocks))),
        ],
        axis=1,
    )
    searched.sort(axis=1)
    values = np.take_along_axis(log_probs.reshape(batch, -1), searched, 1)
    best, places = _top(values + np.take_along_axis(totals, searched // vocab, 1), width)
    return best, np.take_along_axis(searched, places, 1)


def _top(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The `count` largest values of each row in decreasing order, and their positions."""
    places = np.argpartition(-values, count - 1, axis=1)[:, :count] if count < values.shape[1] else None
    if places is None:
        places = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    places = np.sort(places, axis=1)
    largest = np.take_along_axis(values, places, 1)
    order = np.argsort(-largest, axis=1, kind="stable")
    return np.take_along_axis(largest, order, 1), np.take_along_axis(places, order, 1)


def _note_ends(
    beam: Beam, choice: Choice, search: Search, length: int, attention: Any, longest: NDArray[np.int64]
) -> None:
    """Stores the hypotheses that ended in this step, and those that are truncated at it."""
    for row, number in enumerate(beam.numbers):
        for rank in np.flatnonzero(choice.ended[row] > -np.inf):
            parent = int(choice.ended_rows[row, rank])
            log_prob = float(choice.ended[row, rank])
            looked = _looked(beam, attention, row, parent)
            ids = beam.written[row, parent].tolist()
            score = log_prob / length**search.length_penalty
            beam.complete[number].append(Hypothesis(ids, log_prob, score, looked, True))
        if longest[number] != length:
            continue
        for place in np.flatnonzero(choice.totals[row] > -np.inf):
            parent, log_prob = int(choice.parents[row, place]), float(choice.totals[row, place])
            ids = [*beam.written[row, parent].tolist(), int(choice.tokens[row, place])]
            score = log_prob / length**search.length_penalty
            attended = _looked(beam, attention, row, parent)
            beam.complete[number].append(Hypothesis(ids, log_prob, score, attended, False))


def _looked(beam: Beam, attention: Any, row: int, parent: int) -> NDArray[np.float32] | None:
    if attention is None:
        return None
    now = attention[row, parent][None]
    return now if beam.looked is None else np.concatenate([beam.looked[row, parent], now])


def _done(beam: Beam, choice: Choice, search: Search, length: int, longest: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which sources are finished."""
    if search.sampling is not None or search.beam_size == 1:
        return np.asarray((choice.totals == -np.inf).all(1))
    scores = choice.ended / np.float32(length**search.length_penalty)
    beam.best = np.sort(np.concatenate([beam.best, scores], axis=1), axis=1)[:, ::-1][:, : search.n_best]
    beam.number = beam.number + (choice.ended > -np.inf).sum(1)
    worst, alive = beam.best[:, -1], choice.totals[:, 0]
    done = worst >= alive / (longest[beam.numbers] ** search.length_penalty).astype(np.float32)
    if not search.exact:
        enough = beam.number >= search.beam_size
        done |= enough & (worst >= alive / np.float32(length**search.length_penalty))
    return np.asarray(done)


def _write(beam: Beam, choice: Choice, attention: Any) -> None:
    """Appends its token to every active hypothesis."""
    before = np.take_along_axis(beam.written, choice.parents[:, :, None], 1)
    beam.written = np.concatenate([before, choice.tokens[:, :, None]], axis=2)
    if attention is not None:
        now = np.take_along_axis(attention, choice.parents[:, :, None], 1)[:, :, None]
        if beam.looked is None:
            beam.looked = now
        else:
            past = np.take_along_axis(beam.looked, choice.parents[:, :, None, None], 1)
            beam.looked = np.concatenate([past, now], axis=2)


def _ranked(hypotheses: list[Hypothesis], search: Search) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda hypothesis: (not hypothesis.ended, -hypothesis.score))[: search.n_best]
