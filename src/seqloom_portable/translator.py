"""Translators: models that write one text given another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded
from seqloom_portable.embedding import sentence_vectors
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.language_model import LineScore
from seqloom_portable.sampling import Sampling
from seqloom_portable.specials import EOS, PAD, SOS, UNK
from seqloom_portable.targets import Hypothesis, copy_unknown
from seqloom_portable.tokens import open_tokenizer
from seqloom_portable.transducer import Transducer, Translation

_NUMBERS_AT_ONCE = 1 << 24


class Translator(Transducer):
    scores_pairs = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        super().__init__(folder, threads)
        names = folder.manifest["tokenizers"]
        self.source, self.target = (open_tokenizer(folder.path / names[side]) for side in ("source", "target"))

    def predict(self, lines: Sequence[str], **options: Any) -> list[str]:
        """The best translation of each line; see `answers` for the options."""
        return [answers[0].text for answers in self.answers(lines, **options)]

    def answers(
        self,
        lines: Sequence[str],
        beam_size: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
        max_length: int | None = None,
        prefix: str = "",
        copy_unknown: bool | None = None,
        sampling: Sampling | None = None,
        seed: int = 1,
    ) -> Iterator[list[Translation]]:
        """Yields the translations of each line, best first; an empty line gives an empty translation. Options that are
        None take the values that the run was trained with. Every translation begins with `prefix`. `copy_unknown`
        replaces `<unk>` by source words."""
        copy = self.settings["copy_unknown"] if copy_unknown is None else copy_unknown
        if copy and not (self.source.separates_words and self.target.separates_words):
            raise PortableError("copy_unknown needs word tokenizers on both sides")
        never = (PAD, SOS) if copy else (PAD, SOS, UNK)
        search = self.search_options(beam_size, n_best, length_penalty, max_length, sampling, seed, never)
        begin = self.target.encode([prefix])[0] if prefix else []
        if not {PAD, SOS, EOS}.isdisjoint(begin):
            raise PortableError(f"the prefix contains a special token: {prefix!r}")
        sources = [[*ids, EOS] for ids in self.source.encode(lines)]
        searched = iter(self.search([ids for ids in sources if len(ids) > 1], search, begin))
        for line, ids in zip(lines, sources, strict=True):
            if len(ids) == 1:
                yield [Translation("", 0.0, 0.0)]
                continue
            yield [self._read(hypothesis, line, copy, ids) for hypothesis in next(searched)]

    def _read(self, hypothesis: Hypothesis, line: str, copy: bool, source: Sequence[int]) -> Translation:
        text = self.target.decode(hypothesis.token_ids)
        if hypothesis.attention is None:
            return Translation(text, hypothesis.log_prob, hypothesis.score)
        weights = hypothesis.attention[:, : len(source)]
        tokens = [self.target.shown(i) for i in hypothesis.token_ids]
        if copy:
            tokens = copy_unknown(tokens, weights, line.split())
            text = " ".join(tokens)
        names = tuple(map(self.source.shown, source))
        target = (*tokens, *["<eos>"] * (len(weights) - len(tokens)))
        return Translation(text, hypothesis.log_prob, hypothesis.score, weights, names, target)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[LineScore]:
        """The log-probability of each target given its source."""
        sources = [[*ids, EOS] for ids in self.source.encode([pair[0] for pair in pairs])]
        targets = [[*ids, EOS] for ids in self.target.encode([pair[1] for pair in pairs])]
        scores = [LineScore(0.0, 0, 0)] * len(pairs)
        budget = max(1, min(4_096, _NUMBERS_AT_ONCE // self.target.vocab_size))
        sizes = [max(map(len, both)) for both in zip(sources, targets, strict=True)]
        for places in group_by_length(sizes, budget):
            totals = self._totals([sources[place] for place in places], [targets[place] for place in places])
            for place, total in zip(places, totals.tolist(), strict=True):
                target = targets[place]
                scores[place] = LineScore(total, len(target), sum(token == UNK for token in target))
        return scores

    def _totals(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> NDArray[np.float64]:
        encoded, first = self.encode([np.array(source, np.int64) for source in sources])
        state = first or self._step.first_state(len(sources))
        expected, tokens = padded(targets), np.full((len(targets), 1), SOS, np.int64)
        totals, lengths = np.zeros(len(targets)), np.array([len(target) for target in targets])
        for step in range(expected.shape[1]):
            log_probs, state, _ = self.decode_next(tokens, state, encoded)
            tokens = expected[:, step : step + 1]
            log_prob = np.take_along_axis(log_probs[:, 0], tokens, 1)[:, 0]
            totals += np.where(step < lengths, log_prob, 0.0)
        return totals

    def embed(self, lines: Sequence[str], pooling: str = "auto") -> NDArray[np.float32]:
        """(lines, size): by default, the mean of the encoder's outputs."""
        rows = [[*ids, EOS] for ids in self.source.encode(lines)]
        engine = self.folder.engine("embed", self.threads)
        return sentence_vectors(engine, rows, "mean" if pooling == "auto" else pooling)
