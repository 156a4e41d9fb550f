"""Translates lines of text: encodes them, searches targets, and decodes these to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from seqloom.data.tokenizer import EOS, SPECIALS, UNK, Tokenizer, shown_token
from seqloom.decoding.alignment import Alignment, with_alignment
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from seqloom.models.encoder_decoder import DecodesNext
from seqloom_portable.targets import Hypothesis, copy_unknown


class Translation(NamedTuple):
    """A target for a source. `log_prob` in nats, the end included; `score`, by which it was ranked; `alignment`, if
    attention was requested and the model has it, with `<eos>` on both sides."""

    text: str
    log_prob: float
    score: float
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {"text": self.text, "log_prob": self.log_prob, "score": self.score}
        return with_alignment(plain, self.alignment)


class Translator(NamedTuple):
    """A model with its source and target tokenizers."""

    model: DecodesNext
    source: Tokenizer
    target: Tokenizer
    device: torch.device

    def translate(
        self, lines: Sequence[str], search: Search, constraints: Sequence[Constraints] | None = None, copy: bool = False
    ) -> Iterator[list[Translation]]:
        """Yields the translations of each line, best first, in the given order; an empty line gives an empty
        translation.

        `constraints`: what the translations of each line contain. `copy`: source words replace words that the target's
        vocabulary lacks; both tokenizers must be word tokenizers.
        """
        if copy and not (self.source.separates_words and self.target.separates_words):
            raise RequestError("only unknown words can be copied", where="copy_unknown", expected="tokenizer.kind=word")
        if copy or search.attention:
            search = replace(search, attention=True)
        if not copy:
            search = replace(search, never=(*search.never, UNK))
        sources = [[*ids, EOS] for ids in self.source.encode(lines)]
        real = [i for i, ids in enumerate(sources) if len(ids) > 1]
        hypotheses = transduce(
            self.model,
            (sources[i] for i in real),
            search,
            None if constraints is None else (constraints[i] for i in real),
            self.device,
        )
        for line, ids in zip(lines, sources, strict=True):
            if len(ids) == 1:
                yield [Translation("", 0.0, 0.0)]
                continue
            yield [self._read(hypothesis, line, ids, copy) for hypothesis in next(hypotheses)]

    def align(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[Alignment]:
        """Yields the attention of each target to its source, `<eos>` on both sides. Sources come with `<eos>`, targets
        without. Raises RequestError if the model has no attention."""
        # Each target is the prefix of a search with room for one token more, whose attention is that of the end.
        search = Search(beam_size=1, max_length=1, attention=True)
        prefixes = (Constraints(tuple(target)) for _, target in pairs)
        hypotheses = transduce(self.model, (source for source, _ in pairs), search, prefixes, self.device)
        for (source, target), (hypothesis,) in zip(pairs, hypotheses, strict=True):
            if hypothesis.attention is None:
                raise RequestError("the model has no attention", expected="a model with +attention, or a transformer")
            read = [shown_token(self.source, i) for i in source]
            written = [*(shown_token(self.target, i) for i in target), SPECIALS[EOS]]
            yield Alignment(read, written, hypothesis.attention[: len(written)])

    def _read(self, hypothesis: Hypothesis, line: str, source: list[int], copy: bool) -> Translation:
        text, weights = self.target.decode(hypothesis.token_ids), hypothesis.attention
        if weights is None:
            return Translation(text, hypothesis.log_prob, hypothesis.score)
        tokens = [shown_token(self.target, i) for i in hypothesis.token_ids]
        if copy:
            tokens = copy_unknown(tokens, weights, line.split())
            text = " ".join(tokens)
        read, written = [shown_token(self.source, i) for i in source], tokens + [SPECIALS[EOS]] * hypothesis.ended
        return Translation(text, hypothesis.log_prob, hypothesis.score, Alignment(read, written, weights))
