"""The base of count-based language models and of mixtures, which are fitted without gradients."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqloom.data.text_codec import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.models.fitted import FittedInOnePass
from seqloom.nn.layer import State


class CountBased(nn.Module, FittedInOnePass):
    """A language model (`PredictsNext`) that is estimated from token counts, or from other models' probabilities."""

    uses_torch: ClassVar[bool] = True

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

    def fit(self, train: TokenFile, valid: TokenFile, codec: TextCodec) -> None:
        self.estimate(train, valid, codec.tokenizer.vocab_size)

    @abstractmethod
    def estimate(self, train: TokenFile, valid: TokenFile | None, vocab_size: int) -> None: ...

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
