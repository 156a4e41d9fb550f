"""Rules about the next token: forbidden sequences, repeated n-grams, repetition penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqloom.decoding.option_checks import check_numbers, check_option


@dataclass(frozen=True)
class TokenRules:
    """`forbidden`: sequences of token ids that are never completed. `no_repeat_ngrams`: no n-gram of this length occurs
    twice (Paulus et al. 2018, section 2.5); 0 allows all. `repetition_penalty`: the log-probability of tokens that
    already occurred is multiplied by it (Keskar et al. 2019, section 4.1); 1 has no effect."""

    forbidden: tuple[tuple[int, ...], ...] = ()
    no_repeat_ngrams: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self)
        check_option("no_repeat_ngrams", self.no_repeat_ngrams, 0 <= self.no_repeat_ngrams <= 1_000, "0 to 1,000")
        check_option("repetition_penalty", self.repetition_penalty, 1 <= self.repetition_penalty <= 100, "1 to 100")

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.forbidden) or self.no_repeat_ngrams > 0 or self.repetition_penalty != 1

    def apply(
        self, log_probs: Float[Tensor, "batch rows vocab"], history: Int[Tensor, "batch rows time"], end: int
    ) -> Float[Tensor, "batch rows vocab"]:
        """`log_probs`, overwritten: -inf for tokens that would break a rule after the tokens of `history`. The token
        `end` is always allowed."""
        at_end = log_probs[:, :, end].clone()
        if self.repetition_penalty != 1 and history.shape[2]:
            scores = log_probs.gather(2, history)
            log_probs.scatter_(2, history, scores * self.repetition_penalty)
        for sequence in self.forbidden:
            *before, last = sequence
            log_probs[:, :, last].masked_fill_(_ends_with(history, before), -torch.inf)
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


def _ends_with(history: Int[Tensor, "batch rows time"], tokens: Sequence[int]) -> Tensor:
    """(batch, rows): whether each history ends with `tokens`."""
    if len(tokens) > history.shape[2]:
        return torch.zeros(history.shape[:2], dtype=torch.bool, device=history.device)
    tail = history[:, :, history.shape[2] - len(tokens) :]
    return (tail == torch.tensor(list(tokens), dtype=history.dtype, device=history.device)).all(-1)
