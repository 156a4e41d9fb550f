"""Translates lines of text: encodes them, searches targets, and decodes these to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from seqloom.data.tokenizer import EOS, UNK, Tokenizer
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.copying import copy_unknown
from seqloom.decoding.search_options import Hypothesis, Search, Term
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from seqloom.models.encoder_decoder import DecodesNext


class Translation(NamedTuple):
    """A target for a source. `log_prob` in nats, the end included; `score`, by which it was ranked; `alignment`, if
    attention was requested and the model has it, with `<eos>` on both sides."""

    text: str
    log_prob: float
    score: float
    alignment: Alignment | None = None

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"text": self.text, "log_prob": self.log_prob, "score": self.score}
        return plain if self.alignment is None else plain | {"alignment": self.alignment.to_json()}


class Translator(NamedTuple):
    """A model with its source and target tokenizers."""

    model: DecodesNext
    source: Tokenizer
    target: Tokenizer
    device: torch.device

    def translate(
        self, lines: Sequence[str], search: Search, prefixes: Sequence[str] | None = None, copy: bool = False
    ) -> Iterator[list[Translation]]:
        """Yields the translations of each line, best first, in the given order; an empty line gives an empty
        translation.

        `prefixes`: the beginning of each translation. `copy`: source words replace words that the target's vocabulary
        lacks; both tokenizers must be word tokenizers.
        """
        if copy and not (self.source.separates_words and self.target.separates_words):
            raise RequestError("only unknown words can be copied", where="copy_unknown", expected="tokenizer.kind=word")
        if copy or search.attention:
            search = replace(search, attention=True)
        if not copy:
            search = replace(search, never=(*search.never, UNK))
        sources = [[*ids, EOS] for ids in self.source.encode(lines)]
        starts = None if prefixes is None else self.target.encode(prefixes)
        real = [i for i, ids in enumerate(sources) if len(ids) > 1]
        hypotheses = transduce(
            self.model,
            (sources[i] for i in real),
            search,
            None if starts is None else (starts[i] for i in real),
            self.device,
        )
        for line, ids in zip(lines, sources, strict=True):
            if len(ids) == 1:
                yield [Translation("", 0.0, 0.0)]
                continue
            yield [self._read(hypothesis, line, ids, copy) for hypothesis in next(hypotheses)]

    def _read(self, hypothesis: Hypothesis, line: str, source: list[int], copy: bool) -> Translation:
        text, weights = self.target.decode(hypothesis.token_ids), hypothesis.attention
        if weights is None:
            return Translation(text, hypothesis.log_prob, hypothesis.score)
        tokens = [shown_token(self.target, i) for i in hypothesis.token_ids]
        if copy:
            tokens = copy_unknown(tokens, weights, line.split())
            text = " ".join(tokens)
        read, written = [shown_token(self.source, i) for i in source], tokens + ["<eos>"] * hypothesis.ended
        return Translation(text, hypothesis.log_prob, hypothesis.score, Alignment(read, written, weights))


def shown_token(tokenizer: Tokenizer, token_id: int) -> str:
    """A token as text for a reader; a token that is part of a character keeps the tokenizer's notation."""
    token = tokenizer.token(token_id)
    text = tokenizer.decode([token_id]).strip()
    return text if text and "\ufffd" not in text else token


def ids_within_text(tokenizer: Tokenizer, term: str, option: str) -> set[tuple[int, ...]]:
    """The token ids of a term, at the beginning of a text and after a space, if those differ; none if the vocabulary
    lacks one of its tokens. Raises RequestError for an empty term; `option` names the option with the term."""
    first, after = tokenizer.encode([term, f"{_ANY} {term}"])
    if not first:
        raise RequestError("a term is empty", where=option, got=repr(term), expected="a word or more")
    lead = tokenizer.encode([_ANY])[0]
    forms = {tuple(first)}
    # With a character tokenizer, the space before the term is a token of its own.
    if after[: len(lead)] == lead and len(first) != len(term):
        forms.add(tuple(after[len(lead) :]))
    return {ids for ids in forms if UNK not in ids}


def required_term(tokenizer: Tokenizer, term: str) -> Term:
    """The tokens of a term. Raises RequestError if the vocabulary lacks one of them."""
    forms = sorted(ids_within_text(tokenizer, term, "require"), key=lambda ids: tokenizer.decode(list(ids)) != term)
    if not forms:
        expected = "a term of tokens that the target vocabulary has"
        raise RequestError("the model cannot generate a term", where="require", got=repr(term)[:80], expected=expected)
    first = tuple(tokenizer.encode([term])[0])
    within = next((ids for ids in forms if ids != first), first)
    return Term(first, within)


_ANY = "a"
