"""The targets of a search: hypotheses, their longest length, and the replacement of their unknown words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.specials import SPECIALS, UNK

_LENGTH_OF_THE_SHORTEST = 20
"""The automatic `max_length` for an empty source, and the constant part of it for any other."""


class Hypothesis(NamedTuple):
    """A complete target: it `ended` with `<eos>`, or was truncated at the longest length.

    `token_ids` without `<sos>` and `<eos>`; `log_prob` in nats, the end included; `score`, by which hypotheses are
    ranked; `attention` (target, source): a row for each token, and one for the end if it ended.
    """

    token_ids: list[int]
    log_prob: float
    score: float
    attention: NDArray[np.float32] | None
    ended: bool


def longest_target(source_length: int, max_length: int, max_ratio: float, constrained_tokens: int) -> int:
    """The length at which a target is truncated; `max_length` 0: `max_ratio` * source length + 20. There is always room
    for `constrained_tokens` and an end."""
    automatic = int(max_ratio * source_length) + _LENGTH_OF_THE_SHORTEST
    return max(max_length or automatic, constrained_tokens + 1)


def copy_unknown(words: Sequence[str], attention: NDArray[Any], source: Sequence[str]) -> list[str]:
    """The `words`, with each `<unk>` replaced by the source word with the most attention (Luong et al. 2015b, but with
    attention instead of alignments).

    `attention` (target, source) has a row for each word, and may have one for `<eos>`; and a column for each source
    word, and one for `<eos>`, which is not copied.
    """
    if not source:
        return list(words)
    most = attention[:, : len(source)].argmax(1)
    return [source[most[i]] if word == SPECIALS[UNK] else word for i, word in enumerate(words)]
