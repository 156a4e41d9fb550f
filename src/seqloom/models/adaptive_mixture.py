"""A mixture of language models that adapts to the text that it reads: its neural parts, and their weights."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.errors import RequestError
from seqloom.models.adaptation import Adaptation
from seqloom.models.adaptive_language_model import SEGMENT, AdaptiveLanguageModel
from seqloom.models.language_model import LanguageModel
from seqloom.models.mixture import Mixture, mixed
from seqloom.nn.layer import State

_PRIOR_TOKENS = 500.0
"""The fitted weights count as much as so many tokens of the text."""


class AdaptiveMixtureState(NamedTuple):
    """`parts`: the state of each part; `responsibilities` (1, parts): the sum over the tokens so far of the probability
    that a token is from the part, float64."""

    parts: State
    responsibilities: Tensor


class AdaptiveMixture:
    """Reads one text from its beginning to its end; each token is predicted before the mixture adapts to it.

    Each neural part is an `AdaptiveLanguageModel`. The weight of a part is its mean responsibility for the tokens so
    far, an online expectation maximisation (Cappé and Moulines 2009) that begins with the fitted weights: a part that
    adapts well gets more weight. Generated text changes no weights.
    """

    def __init__(self, mixture: Mixture, adaptation: Adaptation) -> None:
        self.mixture = copy.copy(mixture)
        self.mixture.parts = [
            part._replace(model=AdaptiveLanguageModel(part.model, adaptation))
            if isinstance(part.model, LanguageModel)
            else part
            for part in mixture.parts
        ]

    def initial_state(self, batch_size: int) -> AdaptiveMixtureState:
        return AdaptiveMixtureState(self.mixture.initial_state(batch_size), _PRIOR_TOKENS * self.mixture.weights[None])

    def next_text(self, state: AdaptiveMixtureState) -> AdaptiveMixtureState:
        """The state before the next text: what was adapted to stays, the hidden states are the initial ones."""
        parts = tuple(
            part.model.next_text(before)
            if isinstance(part.model, AdaptiveLanguageModel)
            else part.model.initial_state(1)
            for part, before in zip(self.mixture.parts, state.parts, strict=True)
        )
        return state._replace(parts=parts)

    def log_prob(
        self,
        token_ids: Int[Tensor, "1 time"],
        targets: Int[Tensor, "1 time"],
        state: AdaptiveMixtureState,
    ) -> tuple[Float[Tensor, "1 time"], AdaptiveMixtureState]:
        """log p(target) at each step, in nats, each before the mixture adapts to it; and the state."""
        by_part, parts = self.mixture.log_prob_of_parts(token_ids, targets, state.parts)
        log_probs, responsibilities = _mix_in_order(by_part[:, 0].numpy(), state.responsibilities[0].numpy())
        return torch.from_numpy(log_probs)[None], AdaptiveMixtureState(parts, torch.from_numpy(responsibilities)[None])

    def next_log_probs(
        self, token_ids: Int[Tensor, "1 time"], state: AdaptiveMixtureState
    ) -> tuple[Float[Tensor, "1 vocab"], AdaptiveMixtureState]:
        """As in `PredictsNext`; also adapts to all tokens but the last, the networks to whole segments."""
        read = token_ids.shape[1] - 1
        full = read - read % SEGMENT
        if full:
            _, state = self.log_prob(token_ids[:, :full], token_ids[:, 1 : full + 1], state)
        for place in range(full, read):
            by_part, parts = self.mixture.next_log_probs_of_parts(token_ids[:, place : place + 1], state.parts)
            of_next = by_part[:, 0, token_ids[:, place + 1]]
            _, responsibilities = _mix_in_order(of_next.numpy(), state.responsibilities[0].numpy())
            state = AdaptiveMixtureState(parts, torch.from_numpy(responsibilities)[None])
        by_part, parts = self.mixture.next_log_probs_of_parts(token_ids[:, -1:], state.parts)
        weights = state.responsibilities[0] / state.responsibilities.sum()
        return mixed(by_part, weights), state._replace(parts=parts)


def adaptive(model: Any, adaptation: Adaptation) -> AdaptiveLanguageModel | AdaptiveMixture:
    """The network, or the mixture with one, as a model that adapts. Raises RequestError for any other model."""
    if isinstance(model, LanguageModel):
        return AdaptiveLanguageModel(model, adaptation)
    if isinstance(model, Mixture) and any(isinstance(part.model, LanguageModel) for part in model.parts):
        return AdaptiveMixture(model, adaptation)
    raise RequestError(
        "only neural language models adapt to a text",
        where="adapted",
        expected="a run of a network, or of a mixture with one",
    )


def _mix_in_order(
    by_part: NDArray[np.float64], responsibilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The log-probability of each token, given that of each part, (parts, tokens), and the responsibilities after the
    last."""
    log_probs, sums = np.empty(by_part.shape[1]), responsibilities
    with np.errstate(divide="ignore"):  # a part may have no weight
        for token, of_parts in enumerate(by_part.T):
            joint = np.log(sums) + of_parts
            total = np.logaddexp.reduce(joint)
            log_probs[token] = total - np.log(sums.sum())
            sums = sums + np.exp(joint - total)
    return log_probs, sums
