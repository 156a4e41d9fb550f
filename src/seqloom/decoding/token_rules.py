"""Rules about the next token: forbidden sequences, repeated n-grams, repetition penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.decoding.option_checks import check_numbers, check_option


@dataclass(frozen=True)
class TokenRules:
    """`no_repeat_ngrams`: no n-gram of this length occurs twice (Paulus et al. 2018, section 2.5); 0 allows all.
    `repetition_penalty`: the log-probability of tokens that already occurred is multiplied by it (Keskar et al. 2019,
    section 4.1); 1 has no effect."""

    no_repeat_ngrams: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self)
        check_option("no_repeat_ngrams", self.no_repeat_ngrams, 0 <= self.no_repeat_ngrams <= 1_000, "0 to 1,000")
        check_option("repetition_penalty", self.repetition_penalty, 1 <= self.repetition_penalty <= 100, "1 to 100")

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return self.no_repeat_ngrams > 0 or self.repetition_penalty != 1

    def apply(
        self, log_probs: Float[Tensor, "batch rows vocab"], history: Int[Tensor, "batch rows time"], end: int
    ) -> Float[Tensor, "batch rows vocab"]:
        """`log_probs`, overwritten: -inf for tokens that would break a rule after the tokens of `history`. The token
        `end` is always allowed."""
        at_end = log_probs[:, :, end].clone()
        if self.repetition_penalty != 1 and history.shape[2]:
            scores = log_probs.gather(2, history)
            log_probs.scatter_(2, history, scores * self.repetition_penalty)
        if self.no_repeat_ngrams:
            self._ban_repeats(log_probs, history)
        log_probs[:, :, end] = at_end
        return log_probs

    def _ban_repeats(self, log_probs: Tensor, history: Tensor) -> None:
        n = self.no_repeat_ngrams
        if history.shape[2] < n:
            return
        ngrams = history.unfold(2, n, 1)  # (batch, rows, n-grams, n)
        begun = history[:, :, history.shape[2] - n + 1 :]
        batch, rows, places = (ngrams[..., : n - 1] == begun[:, :, None]).all(-1).nonzero(as_tuple=True)
        log_probs[batch, rows, ngrams[batch, rows, places, n - 1]] = -torch.inf


NO_RULES = TokenRules()


class Forbidden(NamedTuple):
    """Sequences of token ids that are never completed, and for which sources of a batch."""

    sequences: list[tuple[int, ...]]
    applies: Bool[Tensor, "batch sequences"]

    @classmethod
    def of(cls, by_source: Sequence[Sequence[tuple[int, ...]]], device: torch.device) -> Forbidden:
        sequences = list(dict.fromkeys(sequence for of_source in by_source for sequence in of_source))
        applies = [[sequence in of_source for sequence in sequences] for of_source in map(set, by_source)]
        return cls(sequences, torch.tensor(applies, device=device).view(len(by_source), len(sequences)))

    def apply(
        self, log_probs: Float[Tensor, "batch rows vocab"], history: Int[Tensor, "batch rows time"]
    ) -> Float[Tensor, "batch rows vocab"]:
        """`log_probs`, overwritten: -inf for tokens that would complete a forbidden sequence."""
        for number, (*before, last) in enumerate(self.sequences):
            completes = _ends_with(history, before) & self.applies[:, number, None]
            log_probs[:, :, last].masked_fill_(completes, -torch.inf)
        return log_probs


def _ends_with(history: Int[Tensor, "batch rows time"], tokens: Sequence[int]) -> Tensor:
    """(batch, rows): whether each history ends with `tokens`."""
    if len(tokens) > history.shape[2]:
        return torch.zeros(history.shape[:2], dtype=torch.bool, device=history.device)
    tail = history[:, :, history.shape[2] - len(tokens) :]
    return (tail == torch.tensor(list(tokens), dtype=history.dtype, device=history.device)).all(-1)


def rules_of(options: dict[str, Any]) -> TokenRules:
    """The options that are rules, removed from `options`."""
    values = {option.name: options.pop(option.name) for option in fields(TokenRules) if option.name in options}
    return TokenRules(**values)
