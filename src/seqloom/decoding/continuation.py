"""The text that a language model goes on with after a prompt, as it comes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from seqloom.data.tokenizer import EOS, PAD, SOS, UNK, Tokenizer
from seqloom.decoding.option_checks import check_option, check_seed
from seqloom.decoding.sampling import Sampling, generate
from seqloom.decoding.text_stream import TextStream
from seqloom.models.language_model import PredictsNext


@dataclass(frozen=True)
class Continuation:
    """How a text goes on: at most `max_tokens`, drawn by `sampling` with `seed`; `unknown` allows `<unk>`."""

    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1
    unknown: bool = False

    def __post_init__(self) -> None:
        check_option("max_tokens", self.max_tokens, self.max_tokens >= 0, "0 or more")
        check_seed(self.seed)


def continue_text(
    model: PredictsNext, tokenizer: Tokenizer, prompt: str, first_input: int, options: Continuation
) -> Iterator[str]:
    """Yields the text after `prompt`, piece by piece.

    `first_input` is what stands before a text. A model of lines, for which it is `<sos>`, stops at the end of the
    line; a model of a stream, for which it is `<eos>`, goes on after it.
    """
    of_lines = first_input == SOS
    # A stream goes on after the end of a line; for a model of lines there is nothing after it.
    lines = [prompt] if of_lines else prompt.split("\n")
    encoded = tokenizer.encode(lines)
    begin = [first_input, *itertools.chain.from_iterable((EOS, *ids) for ids in encoded)]
    del begin[1]
    never = [PAD, SOS] + ([] if options.unknown else [UNK])
    ids = generate(model, begin, options.sampling, never=never, seed=options.seed)
    yield from _text_of(itertools.islice(ids, options.max_tokens), tokenizer, encoded[-1], of_lines)


def _text_of(ids: Iterator[int], tokenizer: Tokenizer, line: list[int], stop_at_end: bool) -> Iterator[str]:
    """The text of `ids` as it grows after those of the `line` that was begun."""
    text = TextStream(tokenizer, line)
    for token in ids:
        if token != EOS:
            if added := text.add(token):
                yield added
        elif stop_at_end:
            return
        else:
            yield "\n"
            text = TextStream(tokenizer, [])
