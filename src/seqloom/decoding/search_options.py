"""The options of a search for targets, and what the targets of one source must contain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.decoding.option_checks import check_numbers, check_option, check_seed
from seqloom.decoding.sampling import Sampling
from seqloom.decoding.token_rules import NO_RULES, TokenRules
from seqloom.errors import RequestError
from seqloom_portable.targets import longest_target

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
class Search:
    """The options of a search. Lengths are in target tokens, `<eos>` included.

    `beam_size`: the number of active hypotheses for each source; 1 is greedy. `n_best`: how many are returned.
    `length_penalty` α ranks hypotheses by log p / length^α: 0 by probability, 1 by the mean per token (the family of Wu
    et al. 2016, eq. 14, without its constant 5). `max_length`: targets are truncated at this length; 0 is `max_ratio` *
    source length + 20. A source is finished once `beam_size` hypotheses have ended and no active one, at its current
    length, ranks above the `n_best` of them; with `exact`, once no active one can at any length. `sampling` samples
    `n_best` independent targets instead; `beam_size` and `exact` then have no effect. A sample depends only on `seed`
    and the source: equal sources have equal samples. `never`: token ids that are not generated; `<pad>` and `<sos>`
    never are. `attention`: whether hypotheses include their attention. `min_ratio`: no target ends before it has this
    many tokens per token of the source (`<eos>` not counted on either side). `rules`: restrictions on the next token.
    `diverse_groups`: the beam is divided into so many groups, and a token that other groups have chosen at the same
    place has a log-probability lower by `diversity`, by default 0.5 (see `DiverseBeam`); 1 is plain beam search.
    """

    beam_size: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    max_length: int = 0
    max_ratio: float = 2.0
    exact: bool = False
    sampling: Sampling | None = None
    seed: int = 1
    never: tuple[int, ...] = (PAD, SOS)
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

    @property
    def rows(self) -> int:
        """The number of active hypotheses for each source."""
        return self.beam_size if self.sampling is None else self.n_best

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

    def longest(self, source_length: int, constrained_tokens: int = 0) -> int:
        """The length at which a target is truncated. There is always room for `constrained_tokens` and an end."""
        return longest_target(source_length, self.max_length, self.max_ratio, constrained_tokens)

    def shortest(self, source_length: int) -> int:
        """The length, `<eos>` not counted, before which no target ends; at most the longest length."""
        return min(int(self.min_ratio * (source_length - 1)), self.longest(source_length) - 1)
