"""An ensemble of models, whose probabilities of the next token are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from seqloom.models.encoder_decoder import DecodesNext
from seqloom.models.log_probabilities import log_mean
from seqloom.nn.layer import State
from seqloom.nn.output import PruningThreshold


class Ensemble(nn.Module):
    """A `DecodesNext` of networks with the same tokenizers; its states are tuples of their states."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def _models(self) -> Iterator[DecodesNext]:
        return (cast(DecodesNext, network) for network in self.networks)

    def encode(self, source: Tensor, lengths: Tensor | None) -> State:
        return tuple(model.encode(source, lengths) for model in self._models())

    def initial_state(self, encoded: State, rows: int) -> State:
        return tuple(model.initial_state(read, rows) for model, read in zip(self._models(), encoded, strict=True))

    def decode_next(
        self,
        token_ids: Tensor,
        state: State,
        encoded: State,
        threshold: PruningThreshold | None = None,  # noqa: ARG002  # another model may find the token probable
    ) -> tuple[Tensor, State, Tensor | None]:
        steps = [
            model.decode_next(token_ids, own_state, own_encoded)
            for model, own_state, own_encoded in zip(self._models(), state, encoded, strict=True)
        ]
        attentions = [attention for _, _, attention in steps if attention is not None]
        attention = torch.stack(attentions).mean(0) if len(attentions) == len(steps) else None
        log_probs = torch.stack([log_probs for log_probs, _, _ in steps])
        return log_mean(log_probs), tuple(after for _, after, _ in steps), attention

    def log_prob(self, encoded: State, token_ids: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
        by_model = zip(self._models(), encoded, strict=True)
        return log_mean(torch.stack([model.log_prob(read, token_ids, targets, lengths) for model, read in by_model]))

    def loss(
        self,
        source: Tensor,
        source_lengths: Tensor | None,
        inputs: Tensor,
        targets: Tensor,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The cross-entropy, in nats, summed over the targets where `mask` is True. An ensemble is not trained."""
        log_probs = self.log_prob(self.encode(source, source_lengths), inputs, targets, lengths)
        return -(log_probs if mask is None else log_probs[mask]).sum()
