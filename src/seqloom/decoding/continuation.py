"""The text that a language model goes on with after a prompt, as it comes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from seqloom.data.tokenizer import EOS, PAD, SOS, UNK, Tokenizer
from seqloom.decoding.sampling import Sampling, generate
from seqloom.models.language_model import PredictsNext


@dataclass(frozen=True)
class Continuation:
    """What is asked for: at most `max_tokens`, drawn by `sampling` with `seed`; `<unk>` only where `unknown` allows."""

    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1
    unknown: bool = False


def continue_text(
    model: PredictsNext, tokenizer: Tokenizer, prompt: str, first_input: int, asked: Continuation
) -> Iterator[str]:
    """Yields the text after `prompt`, piece by piece.

    `first_input` is what stands before a text. A model of lines, for which it is `<sos>`, stops at the end of the
    line; a model of a stream, for which it is `<eos>`, goes on after it.
    """
    of_lines = first_input == SOS
    # A stream goes on after the end of a line; for a model of lines there is nothing after it.
    lines = [prompt] if of_lines else prompt.split("\n")
    begin = [first_input, *itertools.chain.from_iterable((EOS, *ids) for ids in tokenizer.encode(lines))]
    del begin[1]
    never = [PAD, SOS] + ([] if asked.unknown else [UNK])
    ids = generate(model, begin, asked.sampling, never=never, seed=asked.seed)
    yield from _text_of(itertools.islice(ids, asked.max_tokens), tokenizer, of_lines, begun=bool(lines[-1]))


def _text_of(ids: Iterator[int], tokenizer: Tokenizer, stop_at_end: bool, begun: bool) -> Iterator[str]:
    """The text of ids as it grows. A character made of several byte tokens is held back until it is whole, and left
    out where it never is."""
    line: list[int] = []
    shown = ""
    for token in ids:
        if token == EOS:
            if stop_at_end:
                return
            yield "\n"
            line, shown, begun = [], "", False
            continue
        line.append(token)
        text = tokenizer.decode(line)
        if not text.endswith("\ufffd"):
            # Words are separated by blanks that the tokenizer does not keep; the first follows the prompt.
            yield (" " if begun and not shown and tokenizer.separates_words else "") + text[len(shown) :]
            shown = text
