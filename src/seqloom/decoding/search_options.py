"""The options of a search for targets, and what the targets of one source must contain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.decoding.option_checks import check_numbers, check_option, check_seed
from seqloom.decoding.sampling import Sampling
from seqloom.decoding.token_rules import NO_RULES, TokenRules
from seqloom.errors import RequestError
from seqloom_portable import search as portable

MOST_HYPOTHESES = 10_000
MOST_LENGTH_PENALTY = 10
MOST_LENGTH = 2**20


class Term(NamedTuple):
    """The tokens of a term that a target must contain: at its beginning, and within it."""

    first: tuple[int, ...]
    within: tuple[int, ...]


class Constraints(NamedTuple):
    """What the targets of one source must begin with (`prefix`), must contain (`required`), and never complete
    (`forbidden`), as token ids."""

    prefix: tuple[int, ...] = ()
    required: tuple[Term, ...] = ()
    forbidden: tuple[tuple[int, ...], ...] = ()

    @property
    def num_tokens(self) -> int:
        """The tokens of the prefix and of all required terms, for which a target must have room."""
        return len(self.prefix) + sum(len(term.within) for term in self.required)


@dataclass(frozen=True)
class Search(portable.Search):
    """The runtime's options, and those of Seqloom alone.

    `attention`: whether hypotheses include their attention. `min_ratio`: no target ends before it has this many tokens
    per token of the source (`<eos>` not counted on either side). `rules`: restrictions on the next token.
    `diverse_groups`: the beam is divided into so many groups, and a token that other groups have chosen at the same
    place has a log-probability lower by `diversity`, by default 0.5 (see `DiverseBeam`); 1 is plain beam search.
    """

    sampling: Sampling | None = None
    attention: bool = False
    min_ratio: float = 0.0
    rules: TokenRules = NO_RULES
    diverse_groups: int = 1
    diversity: float | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        width, of = (self.beam_size, ", the beam_size") if self.sampling is None else (MOST_HYPOTHESES, "")
        for name, possible, expected in (
            ("beam_size", 1 <= self.beam_size <= MOST_HYPOTHESES, f"1 to {MOST_HYPOTHESES:,}"),
            ("n_best", 1 <= self.n_best <= width, f"1 to {width:,}{of}"),
            ("length_penalty", 0 <= self.length_penalty <= MOST_LENGTH_PENALTY, f"0 to {MOST_LENGTH_PENALTY}"),
            ("max_length", 0 <= self.max_length <= MOST_LENGTH, f"0 (by the source's length) to {MOST_LENGTH:,}"),
            ("max_ratio", 0 <= self.max_ratio <= 1_000, "0 to 1,000"),
            ("min_ratio", 0 <= self.min_ratio <= 100, "0 to 100"),
            ("diversity", self.diversity is None or 0 <= self.diversity <= 100, "0 to 100"),
            ("never", all(token >= 0 and token != EOS for token in self.never), f"token ids, not {EOS}, which ends"),
        ):
            check_option(name, getattr(self, name), possible, expected)
        check_seed(self.seed)
        self._check_groups()
        object.__setattr__(self, "never", tuple(sorted({PAD, SOS, *self.never})))

    def _check_groups(self) -> None:
        groups, beam = self.diverse_groups, self.beam_size
        divides = 1 <= groups <= beam and beam % groups == 0
        check_option("diverse_groups", groups, divides, f"1, or a divisor of the beam_size, {beam:,}")
        if groups == 1 and self.diversity is not None:
            raise RequestError("only groups of a beam are diverse", where="diversity", hint="add diverse_groups")
        if groups > 1 and self.sampling is not None:
            raise RequestError(
                "samples have no groups", where="diverse_groups", hint="leave out --sample; samples differ by chance"
            )

    def shortest(self, source_length: int) -> int:
        """The length, `<eos>` not counted, before which no target ends; at most the longest length."""
        return min(int(self.min_ratio * (source_length - 1)), self.longest(source_length) - 1)
