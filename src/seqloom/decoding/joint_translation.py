"""Translates, scores and aligns lines with a joint n-gram model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqloom.data.pairs import PairCodec
from seqloom.data.tokenizer import EOS, SPECIALS, UNK, shown_token
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.line_scores import LineScores
from seqloom.decoding.search_options import Search
from seqloom.decoding.translation import Translation
from seqloom.errors import RequestError
from seqloom.models.joint_ngram.model import JointNgram, UnitPath
from seqloom_portable.joint_ngram import IMPOSSIBLE


class JointTranslator(NamedTuple):
    """A joint n-gram model with its tokenizers. `beam_size`: the hypotheses of a search that scores or aligns."""

    model: JointNgram
    codec: PairCodec
    beam_size: int

    def translate(self, lines: Sequence[str], search: Search) -> Iterator[list[Translation]]:
        """Yields the translations of each line, best first; an empty line gives an empty translation. The `attention`
        of a target token is 1 for the source token that became it."""
        for source in self.codec.source.encode(lines):
            if not source:
                yield [Translation("", 0.0, 0.0)]
                continue
            paths = self.model.search(source, search.beam_size)[: search.n_best]
            yield [self._read(source, path, search.attention) for path in paths]

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> LineScores:
        """The log-probability of each target given its source, without <eos> both; that of the probability 0 where no
        units give the target."""
        of_sources = {
            source: self.model.log_prob(source, self.beam_size) for source in {tuple(pair[0]) for pair in pairs}
        }
        paths = [
            self.model.align(source, target, self.beam_size, of_sources[tuple(source)]) for source, target in pairs
        ]
        totals = [IMPOSSIBLE if path is None else path.log_prob for path in paths]
        unknown = [sum(token == UNK for token in target) for _, target in pairs]
        lengths = [len(target) + 1 for _, target in pairs]
        return LineScores(np.array(totals), np.array(lengths, np.int64), np.array(unknown, np.int64))

    def align(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[Alignment]:
        """Yields the alignment of each target. Raises RequestError for one that no units give."""
        for number, (source, target) in enumerate(pairs, 1):
            path = self.model.align(source, target, self.beam_size)
            if path is None:
                raise RequestError(
                    "the model cannot align the pair", where=f"input {number}",
                    expected="target tokens that it has seen for these source tokens",
                )  # fmt: skip
            yield self._alignment(source, path)

    def _read(self, source: list[int], path: UnitPath, attention: bool) -> Translation:
        text = self.codec.target.decode(path.target)
        return Translation(text, path.log_prob, path.log_prob, self._alignment(source, path) if attention else None)

    def _alignment(self, source: list[int], path: UnitPath) -> Alignment:
        read = [shown_token(self.codec.source, token) for token in [*source, EOS]]
        written = [*(shown_token(self.codec.target, token) for token in path.target), SPECIALS[EOS]]
        places = [i for i, unit in enumerate(path.units) for _ in self.model.tokens_of(unit)]
        return Alignment(read, written, np.eye(len(read), dtype=np.float32)[[*places, len(source)]])
