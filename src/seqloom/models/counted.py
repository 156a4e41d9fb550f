"""Count-based language models: fitted in one pass, without gradients."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.data.token_file import TokenFile
from seqloom.models.fitted import Fitted
from seqloom.nn.layer import State


class CountBased(nn.Module, Fitted):
    """A language model (`PredictsNext`) with no parameters of torch's: `fit` or `open` make it ready."""

    @abstractmethod
    def initial_state(self, batch_size: int) -> State: ...

    @abstractmethod
    def next_log_probs(
        self, token_ids: Int[Tensor, "batch time"], state: State
    ) -> tuple[Float[Tensor, "batch vocab"], State]: ...

    @abstractmethod
    def log_prob(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time"], State]: ...

    @abstractmethod
    def fit(self, train: TokenFile, valid: TokenFile, vocab_size: int) -> None: ...

    @torch.no_grad()
    def loss(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Float[Tensor, ""], State]:
        """The cross-entropy in nats summed over the targets where `mask` is True, and the state; for evaluation."""
        before = self.initial_state(len(token_ids)) if state is None else state
        scores, after = self.log_prob(token_ids, targets, before, lengths)
        scores = scores.double()
        return -(scores if mask is None else scores[mask.to(scores.device)]).sum(), after
