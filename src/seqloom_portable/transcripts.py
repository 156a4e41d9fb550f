"""Transcripts of recordings from the log-probabilities of CTC, with the times and the confidence of words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length
from seqloom_portable.ctc import BLANK, CtcHypothesis, aligned, best_states, greedy, text_log_probs, utterances
from seqloom_portable.ctc_beam import Fusion, prefix_beam, search
from seqloom_portable.log_mel import Frames
from seqloom_portable.specials import SPECIALS, UNK
from seqloom_portable.word_lexicon import Tokenizer

LogProbs = NDArray[np.float32]
"""(steps, vocab): log p of the blank and of each token."""

_STEPS_AT_ONCE = 6_000


class Loops(NamedTuple):
    """The loops over steps: those of this package, or faster ones that give the same numbers."""

    search: Callable[..., Any] = search
    best_states: Callable[..., NDArray[np.int64]] = best_states
    text_log_probs: Callable[[LogProbs, Sequence[Sequence[int]]], NDArray[np.float64]] = text_log_probs


INTERPRETED = Loops()


class SpokenWord(NamedTuple):
    """`start` and `end` in seconds; `confidence`: the smallest probability of its tokens, each at its best step."""

    text: str
    start: float
    end: float
    confidence: float


class Transcript(NamedTuple):
    """`log_prob`: log p(text | sound) in nats; `score`, by which it was ranked; `confidence`: the mean of its words."""

    text: str
    log_prob: float
    score: float
    words: list[SpokenWord]

    @property
    def confidence(self) -> float:
        """For a text without words: the probability that there is no speech."""
        if not self.words:
            return math.exp(min(self.log_prob, 0.0))
        return sum(word.confidence for word in self.words) / len(self.words)

    @property
    def probability(self) -> float:
        return self.confidence

    def to_json(self) -> dict[str, Any]:
        words = [
            {"text": w.text, "start": round(w.start, 3), "end": round(w.end, 3), "confidence": round(w.confidence, 4)}
            for w in self.words
        ]
        plain = {"text": self.text, "log_prob": self.log_prob, "score": self.score, "confidence": self.confidence}
        return {**plain, "words": words}


@dataclass(frozen=True)
class CtcDecoder:
    """How log-probabilities become transcripts. `beam_size` 1 is greedy, without `fusion`. `step_seconds`: from one
    step to the next; `pause_seconds`: a longer pause ends an utterance, and nothing before it changes what is heard
    after it."""

    tokenizer: Tokenizer
    step_seconds: float
    beam_size: int = 8
    n_best: int = 1
    fusion: Fusion | None = None
    pause_seconds: float = 0.5
    loops: Loops = INTERPRETED

    @property
    def pause(self) -> int:
        """Steps of a pause that ends an utterance."""
        return max(1, round(self.pause_seconds / self.step_seconds))

    def transcripts(self, log_probs: LogProbs) -> list[Transcript]:
        """The transcripts of a recording, best first. Utterances are searched separately, and their best are joined."""
        parts = utterances(log_probs, self.pause)
        if not parts:
            nothing = float(log_probs[:, BLANK].sum())
            return [Transcript("", nothing, nothing, [])]
        by_utterance = [self.of_utterance(log_probs[part], part.start) for part in parts]
        if len(by_utterance) == 1:
            return by_utterance[0]
        ranked = [
            [hypotheses[min(rank, len(hypotheses) - 1)] for hypotheses in by_utterance] for rank in range(self.n_best)
        ]
        return [joined(row) for rank, row in enumerate(ranked) if rank == 0 or any(len(h) > rank for h in by_utterance)]

    def of_utterance(self, log_probs: LogProbs, first_step: int = 0) -> list[Transcript]:
        return [self.with_times(h, log_probs, first_step) for h in self._search(log_probs)]

    def _search(self, log_probs: LogProbs) -> list[CtcHypothesis]:
        if self.beam_size == 1:
            return [greedy(log_probs)]
        return prefix_beam(log_probs, self.beam_size, self.n_best, self.fusion, compiled=self.loops.search)

    def with_times(self, hypothesis: CtcHypothesis, log_probs: LogProbs, first_step: int = 0) -> Transcript:
        times = aligned(log_probs, hypothesis.token_ids, self.loops.best_states)
        words, text = [], self.tokenizer.decode(hypothesis.token_ids)
        for places in _places_of_words(self.tokenizer, hypothesis.token_ids):
            start, end = times.first[places[0]] + first_step, times.last[places[-1]] + 1 + first_step
            words.append(
                SpokenWord(
                    self.tokenizer.decode([hypothesis.token_ids[i] for i in places]).strip(),
                    float(start * self.step_seconds),
                    float(end * self.step_seconds),
                    float(times.probabilities[places].min()),
                )
            )
        return Transcript(" ".join(text.split()), hypothesis.log_prob, hypothesis.score, words)


def joined(parts: Sequence[Transcript]) -> Transcript:
    words = [word for part in parts for word in part.words]
    text = " ".join(part.text for part in parts if part.text)
    return Transcript(text, sum(p.log_prob for p in parts), sum(p.score for p in parts), words)


def _places_of_words(tokenizer: Tokenizer, token_ids: Sequence[int]) -> list[list[int]]:
    """The places of the tokens of each word, without spaces."""
    words: list[list[int]] = []
    is_open = False
    for place, token in enumerate(token_ids):
        if token < len(SPECIALS) and token != UNK:
            continue
        text = " " if tokenizer.separates_words else tokenizer.decode([token])
        if not tokenizer.separates_words and text.isspace():
            is_open = False
            continue
        if not is_open or text.startswith(" "):
            words.append([])
        words[-1].append(place)
        is_open = True
    return words


def log_probs_of(
    model: Callable[[Sequence[Frames]], NDArray[np.float32]],
    rows: Sequence[Frames],
    longest: int = 0,
    overlap: int = 0,
) -> Iterator[LogProbs]:
    """Yields the log-probabilities of each recording, in the given order, computed in batches of similar length.

    `longest`: recordings of more steps are read in pieces, each with `overlap` more steps on both sides, whose outputs
    are not used: no word is cut, lost or repeated where two pieces meet. 0: every recording is read whole.
    """
    pieces_of_rows = [_pieces(row, longest, overlap) for row in rows]
    pieces = [*itertools.chain.from_iterable(pieces_of_rows)]
    outputs: list[LogProbs] = [np.zeros((0, 0), np.float32)] * len(pieces)
    for places in group_by_length([len(piece.frames) for piece in pieces], _STEPS_AT_ONCE):
        batch = model([pieces[i].frames for i in places])
        for place, output in zip(places, batch, strict=True):
            outputs[place] = output[pieces[place].first : pieces[place].last].copy()
    outputs_left = iter(outputs)
    for of_row in pieces_of_rows:
        yield np.concatenate([*itertools.islice(outputs_left, len(of_row))])


class _Piece(NamedTuple):
    """`frames` of a recording, of which the outputs `first` to `last` are used."""

    frames: Frames
    first: int
    last: int


def _pieces(row: Frames, longest: int, overlap: int) -> list[_Piece]:
    if not longest or len(row) <= longest:
        return [_Piece(row, 0, len(row))]
    cuts = quiet_cuts(row, longest)
    pieces = []
    for start, end in itertools.pairwise(cuts):
        begin, stop = max(start - overlap, 0), min(end + overlap, len(row))
        pieces.append(_Piece(row[begin:stop], start - begin, end - begin))
    return pieces


def quiet_cuts(row: Frames, longest: int) -> list[int]:
    """Where a long recording is cut, its beginning and end among it: within the last half of what a piece may have, the
    middle of the quietest fifth of a second."""
    if len(row) <= longest:
        return [0, len(row)]
    loudness = row.mean(1, dtype=np.float64)
    width = max(1, min(10, longest // 4))
    smooth = np.convolve(loudness, np.ones(width) / width, mode="same")
    cuts = [0]
    while len(row) - cuts[-1] > longest:
        first, last = cuts[-1] + longest // 2, cuts[-1] + longest
        cuts.append(first + int(smooth[first:last].argmin()))
    return [*cuts, len(row)]
