"""Neural language models, and the contract of all language models, neural or count-based."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.models.encoded_sequence import EncodedSequence, real_tokens
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding
from seqloom.nn.layer import SequenceLayer, State, last_real
from seqloom.nn.output import OutputLayer, OutputSettings, PruningThreshold


@runtime_checkable
class PredictsNext(Protocol):
    """What evaluation, scoring, sampling and comparison need of a language model.

    All calls run without gradients.
    """

    def initial_state(self, batch_size: int) -> State: ...

    def next_log_probs(
        self, token_ids: Int[Tensor, "batch time"], state: State
    ) -> tuple[Float[Tensor, "batch vocab"], State]:
        """log p(next token | tokens so far) after the last of `token_ids`, in nats."""
        ...

    def log_prob(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time"], State]:
        """log p(target) at each step, in nats; values in padding are undefined."""
        ...


class LanguageModel(nn.Module):
    """p(w_t | w_1 .. w_{t-1}) as softmax(layer(embedding(w)))."""

    def __init__(
        self, layer: SequenceLayer, embedding: TokenEmbedding, output: OutputSettings, counts: NDArray[np.int64]
    ) -> None:
        super().__init__()
        assert layer.causal, "a language model needs a causal layer"
        self.embedding, self.layer = embedding, layer
        table = cast(nn.Parameter, embedding.table.weight)
        self.output = OutputLayer(layer.output_size, output, counts, table)
        self.token_counts: Tensor
        self.register_buffer("token_counts", torch.from_numpy(counts))

    @classmethod
    def build(
        cls,
        layer: type[SequenceLayer],
        settings: object,
        embedding: EmbeddingSettings,
        output: OutputSettings,
        counts: NDArray[np.int64],
    ) -> LanguageModel:
        """`counts`: the frequency of each token in the training text; its length is the vocabulary's size."""
        return cls(layer(embedding.dim, settings), TokenEmbedding(len(counts), embedding), output, counts)

    def forward(
        self,
        token_ids: Int[Tensor, "batch time"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time width"], State]:
        """The inputs of the softmax, and the state."""
        elements = self.embedding(token_ids)
        hidden, state = self.layer(elements, state, lengths)
        return self.output(hidden, elements), state

    def loss(
        self,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Float[Tensor, ""], State]:
        """The cross-entropy, in nats, summed over the targets where `mask` is True, and the state."""
        hidden, state = self(token_ids, state, lengths)
        if mask is None:
            return self.output.softmax.loss(hidden.flatten(0, 1), targets.flatten()), state
        return self.output.softmax.loss(hidden[mask], targets[mask]), state

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": len(self.token_counts)}

    def initial_state(self, batch_size: int) -> State:
        return self.layer.initial_state(batch_size)

    @torch.no_grad()
    def reading(
        self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> EncodedSequence:
        """The encoded text. The summary is the last output, which depends on the whole text."""
        elements = self.embedding(source)
        outputs, _ = self.layer(elements, None, lengths)
        return EncodedSequence(
            elements, outputs, real_tokens(source, lengths), last_real(outputs, lengths, outputs[:, 0])
        )

    @torch.no_grad()
    def next_log_probs(
        self, token_ids: Tensor, state: State, threshold: PruningThreshold | None = None
    ) -> tuple[Tensor, State]:
        """As in `PredictsNext`. Log-probabilities below `threshold` may be -inf, which saves the time for rare
        tokens."""
        hidden, state = self(token_ids, state)
        return self.output.softmax.log_probs(hidden[:, -1], threshold), state

    @torch.no_grad()
    def log_prob(
        self, token_ids: Tensor, targets: Tensor, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        hidden, state = self(token_ids, state, lengths)
        return self.output.softmax.log_prob(hidden.flatten(0, 1), targets.flatten()).view_as(targets), state
