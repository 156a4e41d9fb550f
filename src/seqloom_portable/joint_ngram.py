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
from seqloom_portable.specials import EOS, PAD, SOS, UNK
from seqloom_portable.tokens import open_tokenizer
from seqloom_portable.transducer import Translation

UNITS_FILE = "units.safetensors"
_LN_10 = math.log(10)
_IMPOSSIBLE = -99 * _LN_10


class _Hypothesis(NamedTuple):
    """`context`: the node of the last units in the n-gram model; `place`: the number of written tokens, if the target
    is given; `log_prob`: log10 of the probability of the units."""

    context: int
    place: int
    log_prob: float
    units: tuple[int, ...]


class JointNgramTranslator:
    has_beam = True
    scores_pairs = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        self.folder = folder
        names = folder.manifest["tokenizers"]
        self.source, self.target = (open_tokenizer(folder.path / names[side]) for side in ("source", "target"))
        self.beam_size: int = folder.manifest["decoding"]["beam_size"]
        arrays = map_arrays(folder.path / UNITS_FILE)
        self._words, self._log_probs, self._suffix = arrays["words"], arrays["log_probs"], arrays["suffix"]
        self._backoffs, self._begin = arrays["backoffs"], arrays["begin"]
        self._vocab_size = int(arrays["sizes"][0])
        self._starts, self._unit_tokens = np.array(arrays["starts"]), np.array(arrays["unit_tokens"])
        self._first_context = SOS if len(arrays["sizes"]) > 1 else -1

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
            best, log_prob = self._search(source, target, self.beam_size)[:1], _IMPOSSIBLE
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
        hypotheses = [_Hypothesis(self._first_context, 0, 0.0, ())]
        for token in source:
            first, last = int(self._starts[token]), int(self._starts[token + 1])
            units = np.arange(first, last) if first < last else np.array([UNK])
            hypotheses = self._continued(hypotheses, units, required, beam)
        ended = []
        for hypothesis in hypotheses:
            if required is None or hypothesis.place == len(required):
                end = float(self._of_units(hypothesis.context, np.array([EOS]))[0][0])
                ended.append(hypothesis._replace(log_prob=hypothesis.log_prob + end))
        return sorted(ended, key=lambda hypothesis: -hypothesis.log_prob)

    def _continued(
        self, hypotheses: list[_Hypothesis], units: NDArray[np.int64], required: NDArray[np.int64] | None, beam: int
    ) -> list[_Hypothesis]:
        """The best hypotheses with one unit more."""
        if not hypotheses:
            return []
        scores, contexts = [], []
        for hypothesis in hypotheses:
            log_probs, after = self._of_units(hypothesis.context, units)
            if required is not None:
                log_probs = np.where(self._continues(units, required, hypothesis.place), log_probs, -np.inf)
            scores.append(hypothesis.log_prob + log_probs)
            contexts.append(after)
        totals, after_each = np.concatenate(scores), np.concatenate(contexts)
        best = np.argsort(-totals, kind="stable")[:beam]
        continued = []
        for number in best[totals[best] > -np.inf].tolist():
            before, unit = hypotheses[number // len(units)], int(units[number % len(units)])
            place = 0 if required is None else before.place + int((self._unit_tokens[unit] != PAD).sum())
            units_so_far = (*before.units, unit)
            continued.append(_Hypothesis(int(after_each[number]), place, float(totals[number]), units_so_far))
        return continued

    def _continues(self, units: NDArray[np.int64], target: NDArray[np.int64], place: int) -> NDArray[np.bool_]:
        """Which units write the tokens of the target that follow."""
        tokens = self._unit_tokens[units]
        following = np.full(tokens.shape[1], -1, np.int64)
        remaining = target[place : place + tokens.shape[1]]
        following[: len(remaining)] = remaining
        return ((tokens == PAD) | (tokens == following)).all(1)

    def _of_units(self, context: int, units: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """log10 p(unit | context) of consecutive units, and the context after each (Katz 1987)."""
        log_probs, nodes = self._log_probs[units].astype(np.float64), units.copy()
        chain = []
        while context >= 0:
            chain.append(context)
            context = int(self._suffix[context]) if context >= self._vocab_size else -1
        for node in reversed(chain):
            log_probs += self._backoffs[node]
            first, last = int(self._begin[node]), int(self._begin[node + 1])
            low, high = first + np.searchsorted(self._words[first:last], [units[0], units[-1] + 1])
            places = self._words[low:high].astype(np.int64) - units[0]
            log_probs[places] = self._log_probs[low:high]
            nodes[places] = np.arange(low, high)
        is_longest = nodes >= len(self._backoffs)
        shorter = self._suffix[nodes].astype(np.int64) if self._first_context >= 0 else np.full(len(nodes), -1)
        return log_probs, np.where(is_longest, shorter, nodes)


def _log10_sum(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log10(sum(10.0 ** (value - most) for value in values))
