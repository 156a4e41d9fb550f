"""Generates tokens one at a time, greedily or by sampling with temperature, top-k and top-p."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.option_checks import check_numbers, check_option
from seqloom.decoding.token_rules import NO_RULES, TokenRules
from seqloom.errors import RequestError
from seqloom.models.language_model import LanguageModel, PredictsNext
from seqloom.nn.layer import State, state_tensors
from seqloom_portable import sampling as portable

HOTTEST = 1_000
"""The highest temperature; all tokens are almost equally probable."""


@dataclass(frozen=True)
class Sampling(portable.Sampling):
    """The runtime's sampling, with errors that name the option."""

    def __post_init__(self) -> None:
        check_numbers(self)
        check_option("temperature", self.temperature, 0 <= self.temperature <= HOTTEST, f"0 to {HOTTEST:,}")
        check_option("top_k", self.top_k, self.top_k >= 0, "0 or more")
        check_option("top_p", self.top_p, 0 < self.top_p <= 1, "more than 0, at most 1")


def generate(
    model: PredictsNext,
    prompt: Sequence[int],
    sampling: Sampling,
    *,
    never: Sequence[int],
    seed: int,
    rules: TokenRules = NO_RULES,
) -> Iterator[int]:
    """Yields token ids after `prompt` (not empty) without end. The tokens in `never` are not generated, and `rules` say
    which tokens may follow."""
    first, history = model.initial_state(1), torch.zeros((1, 1, 0), dtype=torch.long)
    device = state_tensors(first)[0].device

    # The greedy choice skips clusters of rare tokens that are less probable as a whole than the best token.
    prunes = sampling.is_greedy and not rules and isinstance(model, LanguageModel)
    options = {"threshold": partial(_most_probable, torch.tensor(list(never), device=device))} if prunes else {}

    def next_log_probs(ids: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        nonlocal history
        log_probs, state = model.next_log_probs(torch.from_numpy(ids).to(device), state, **options)
        next_tokens = log_probs[0].float().cpu()
        if rules:
            history = torch.cat([history, torch.from_numpy(ids)[None]], dim=2)
            next_tokens = rules.apply(next_tokens.clone()[None, None], history, EOS)[0, 0]
        return next_tokens.numpy(), state

    yield from portable.generate(next_log_probs, first, prompt, sampling, never, seed)


def _most_probable(never: Tensor, log_probs: Float[Tensor, "rows frequent"]) -> Float[Tensor, " rows"]:
    """The log-probability of the most probable allowed token among the first tokens."""
    return log_probs.index_fill(1, never[never < log_probs.shape[1]], -torch.inf).amax(1)


def sampling_of(options: dict[str, Any]) -> Sampling | None:
    """The sampling options, removed from `options`; None for a search."""
    sample = options.pop("sample", False)
    values = {option.name: options.pop(option.name) for option in fields(Sampling) if option.name in options}
    if values and not sample:
        raise RequestError(
            "the options of sampling need sample", where=next(iter(values)), hint="add sample (--sample)"
        )
    return Sampling(**values) if sample else None
