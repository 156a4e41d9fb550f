"""What is asked of a search for targets, and what it finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.decoding.sampling import Sampling
from seqloom.errors import RequestError

_LENGTH_OF_THE_SHORTEST = 20
"""Tokens that even a source of nothing may become, unless `max_length` says otherwise."""


@dataclass(frozen=True)
class Search:
    """How targets are looked for. Lengths are in target tokens, `<eos>` included.

    `beam_size` hypotheses a source are alive at a time; 1 is greedy. `n_best` are given back.
    `length_penalty` α ranks hypotheses by log p / length^α: 0 by probability, 1 by the mean a token (the family of Wu
    et al. 2016, eq. 14, without its constant 5).
    `max_length` cuts; 0 is `max_ratio` * source length + 20.
    A source is done once `beam_size` hypotheses have ended and none alive ranks, as long as it is, above the `n_best`
    of them; `exact` waits until none can, however long it may become.
    `sampling` draws `n_best` independent targets instead; `beam_size` and `exact` then mean nothing. What is drawn
    hangs on `seed` and the source alone: an equal source gets an equal answer.
    `never`: token ids that are not written; `<pad>` and `<sos>` never are.
    `attention`: whether hypotheses come with theirs.
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

    def __post_init__(self) -> None:
        width = self.beam_size if self.sampling is None else math.inf
        most = f", at most {self.beam_size}, the beam_size" if self.sampling is None else ""
        for name, possible, expected in (
            ("beam_size", self.beam_size >= 1, "1 or more"),
            ("n_best", 1 <= self.n_best <= width, f"1 or more{most}"),
            ("length_penalty", 0 <= self.length_penalty < math.inf, "0 or more"),
            ("max_length", self.max_length >= 0, "0 (by the source's length) or more"),
            ("max_ratio", 0 <= self.max_ratio < math.inf, "0 or more"),
            ("seed", self.seed >= 0, "0 or more"),
            ("never", all(token >= 0 and token != EOS for token in self.never), f"token ids, not {EOS}, which ends"),
        ):
            if not possible:
                raise RequestError(f"{name} is out of range", got=getattr(self, name), expected=expected)
        object.__setattr__(self, "never", tuple(sorted({PAD, SOS, *self.never})))

    @property
    def rows(self) -> int:
        """Hypotheses a source that are alive at a time."""
        return self.beam_size if self.sampling is None else self.n_best

    def longest(self, source_length: int, prefix_length: int = 0) -> int:
        """The tokens after which a target is cut. What must be written, and an end, fit always."""
        automatic = int(self.max_ratio * source_length) + _LENGTH_OF_THE_SHORTEST
        return max(self.max_length or automatic, prefix_length + 1)


class Hypothesis(NamedTuple):
    """A target found: it `ended`, or was cut at the longest length.

    `token_ids` without `<sos>` and `<eos>`; `log_prob` in nats, the end included; `score` is what it is ranked by;
    `attention`: a row for each token, and one for the end where it ended.
    """

    token_ids: list[int]
    log_prob: float
    score: float
    attention: Float[NDArray[np.float32], "target source"] | None
    ended: bool
