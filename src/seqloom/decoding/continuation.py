"""Generates the text after a prompt, piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from seqloom.data.tokenizer import PAD, SOS, UNK, Tokenizer
from seqloom.decoding.option_checks import check_numbers, check_option, check_seed
from seqloom.decoding.sampling import Sampling, generate
from seqloom.decoding.token_rules import NO_RULES, TokenRules
from seqloom.models.language_model import PredictsNext
from seqloom_portable.continuation import prompt_ids, text_of


@dataclass(frozen=True)
class Continuation:
    """How a prompt is continued: at most `max_tokens`, `sampling` with `seed`; `unknown` allows `<unk>`."""

    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1
    unknown: bool = False
    rules: TokenRules = NO_RULES

    def __post_init__(self) -> None:
        check_numbers(self)
        check_option("max_tokens", self.max_tokens, 0 <= self.max_tokens < 2**31, "0 to 2**31 - 1")
        check_seed(self.seed)


def continue_text(
    model: PredictsNext, tokenizer: Tokenizer, prompt: str, first_input: int, options: Continuation
) -> Iterator[str]:
    """Yields the text after `prompt`, piece by piece.

    `first_input` is the id that precedes a text. A model of lines, for which it is `<sos>`, stops at the end of the
    line; a model of a stream, for which it is `<eos>`, continues after it.
    """
    of_lines = first_input == SOS
    begin, line = prompt_ids(tokenizer, prompt, of_lines, first_input)
    never = [PAD, SOS] + ([] if options.unknown else [UNK])
    ids = generate(model, begin, options.sampling, never=never, seed=options.seed, rules=options.rules)
    yield from text_of(itertools.islice(ids, options.max_tokens), tokenizer, line, of_lines)
