"""Joint n-gram models: a target is written token by token of its source, by the n-grams of both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.folder import Folder
from seqloom_portable.language_model import LineScore
from seqloom_portable.ngram import Context, NgramStore
from seqloom_portable.specials import EOS, PAD, SOS, UNK
from seqloom_portable.tokens import open_tokenizer
from seqloom_portable.transducer import Translation

UNITS_FILE = "units.safetensors"
_LN_10 = math.log(10)
IMPOSSIBLE = -99 * _LN_10
"""The log-probability of a target that no units give: that of n-gram models for the probability 0."""


class _Hypothesis(NamedTuple):
    """`place`: the number of written tokens, if the target is given; `log_prob`: log10 of the probability of the
    units."""

    units: Context
    place: int
    log_prob: float


class JointNgramTranslator:
    has_beam = True
    scores_pairs = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        self.folder = folder
        names = folder.manifest["tokenizers"]
        self.source, self.target = (open_tokenizer(folder.path / names[side]) for side in ("source", "target"))
        self.beam_size: int = folder.manifest["decoding"]["beam_size"]
        arrays = map_arrays(folder.path / UNITS_FILE)
        self._store = NgramStore(arrays)
        self._starts, self._unit_tokens = np.array(arrays["starts"]), np.array(arrays["unit_tokens"])

    def predict(self, lines: Sequence[str], beam_size: int | None = None) -> list[str]:
        """The best target of each line."""
        return [answers[0].text for answers in self.answers(lines, beam_size)]

    def answers(
        self, lines: Sequence[str], beam_size: int | None = None, n_best: int = 1
    ) -> Iterator[list[Translation]]:
        """Yields the targets of each line, best first; an empty line gives an empty one."""
        beam = max(beam_size or self.beam_size, n_best)
        for source in self.source.encode(lines):
            if not source:
                yield [Translation("", 0.0, 0.0)]
                continue
            hypotheses = self._search(source, None, beam)
            of_source = _log10_sum([hypothesis.log_prob for hypothesis in hypotheses])
            by_target: dict[tuple[int, ...], float] = {}
            for hypothesis in hypotheses:
                by_target.setdefault(self._written(hypothesis.units), hypothesis.log_prob - of_source)
            best = list(by_target.items())[:n_best]
            yield [Translation(self.target.decode(list(ids)), p * _LN_10, p * _LN_10) for ids, p in best]

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[LineScore]:
        """The log-probability of each target given its source."""
        sources = self.source.encode([pair[0] for pair in pairs])
        targets = self.target.encode([pair[1] for pair in pairs])
        scores = []
        for source, target in zip(sources, targets, strict=True):
            best, log_prob = self._search(source, target, self.beam_size)[:1], IMPOSSIBLE
            if best:
                everything = self._search(source, None, self.beam_size)
                of_source = _log10_sum([hypothesis.log_prob for hypothesis in everything])
                log_prob = min((best[0].log_prob - of_source) * _LN_10, 0.0)
            scores.append(LineScore(log_prob, len(target) + 1, sum(token == UNK for token in target)))
        return scores

    def _written(self, units: Sequence[int]) -> tuple[int, ...]:
        return tuple(token for unit in units for token in self._unit_tokens[unit].tolist() if token != PAD)

    def _search(self, source: Sequence[int], target: Sequence[int] | None, beam: int) -> list[_Hypothesis]:
        """The hypotheses for all of the source, best first; with a `target`, those that give it."""
        required = None if target is None else np.array(target, np.int64)
        hypotheses = [_Hypothesis([], 0, 0.0)]
        for token in source:
            first, last = int(self._starts[token]), int(self._starts[token + 1])
            units = range(first, last) if first < last else range(UNK, UNK + 1)
            hypotheses = self._continued(hypotheses, units, required, beam)
        ended = []
        for hypothesis in hypotheses:
            if required is None or hypothesis.place == len(required):
                end = float(self._store.log10_prob(self._context(hypothesis.units), EOS))
                ended.append(hypothesis._replace(log_prob=hypothesis.log_prob + end))
        return sorted(ended, key=lambda hypothesis: -hypothesis.log_prob)

    def _context(self, units: Context) -> Context:
        width = self._store.order - 1
        return [SOS, *units][-width:] if width else []

    def _continued(
        self, hypotheses: list[_Hypothesis], units: range, required: NDArray[np.int64] | None, beam: int
    ) -> list[_Hypothesis]:
        """The best hypotheses with one unit more."""
        if not hypotheses:
            return []
        scores = []
        for hypothesis in hypotheses:
            log_probs = self._store.distribution(self._context(hypothesis.units))[units.start : units.stop]
            if required is not None:
                log_probs[~self._continues(units, required, hypothesis.place)] = -np.inf
            scores.append(hypothesis.log_prob + log_probs.astype(np.float64))
        totals = np.concatenate(scores)
        best = np.argsort(-totals, kind="stable")[:beam]
        continued = []
        for number in best[totals[best] > -np.inf].tolist():
            before, unit = hypotheses[number // len(units)], units[number % len(units)]
            place = 0 if required is None else before.place + int((self._unit_tokens[unit] != PAD).sum())
            continued.append(_Hypothesis([*before.units, unit], place, float(totals[number])))
        return continued

    def _continues(self, units: range, target: NDArray[np.int64], place: int) -> NDArray[np.bool_]:
        """Which units write the tokens of the target that follow."""
        tokens = self._unit_tokens[units.start : units.stop]
        following = np.full(tokens.shape[1], -1, np.int64)
        remaining = target[place : place + tokens.shape[1]]
        following[: len(remaining)] = remaining
        return np.asarray(((tokens == PAD) | (tokens == following)).all(1))


def _log10_sum(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log10(sum(10.0 ** (value - most) for value in values))
