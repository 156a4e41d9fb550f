"""The encoder-decoder, and the contract of all models that generate a target given a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.models.architecture import Architecture, EncoderDecoderSettings, build_decoder
from seqloom.models.decoder import Decoder
from seqloom.models.encoded_sequence import EncodedSequence, real_tokens
from seqloom.models.encoder import Encoder
from seqloom.nn.embedding import TokenEmbedding
from seqloom.nn.layer import State, layers
from seqloom.nn.matrix_product import Linear
from seqloom.nn.output import OutputLayer, PruningThreshold


class DecodesNext(Protocol):
    """What search, sampling and scoring need of a model that generates a target given a source. All calls run without
    gradients.

    A source is encoded once, as a state (tensors, batch first), so that `select_rows` can select sources. The `rows`
    hypotheses of a source share it; their states are in the order of the sources, (batch * rows, ...).
    """

    def encode(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None,
    ) -> State: ...

    def initial_state(self, encoded: State, rows: int) -> State: ...

    def decode_next(
        self,
        token_ids: Int[Tensor, "batch rows"],
        state: State,
        encoded: State,
        threshold: PruningThreshold | None = None,
    ) -> tuple[Float[Tensor, "batch rows vocab"], State, Float[Tensor, "batch rows source"] | None]:
        """log p(next token | tokens so far, source) after `token_ids`, in nats, in a tensor that the caller may change;
        the new state; and the attention weights of the source's elements (None if the model has no attention). The
        number of `rows` may change from step to step together with the state. Log-probabilities below `threshold` may
        be -inf."""
        ...

    def log_prob(
        self,
        encoded: State,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time"]:
        """log p(target) at each step, in nats; values in padding are undefined."""
        ...


class Tokens(NamedTuple):
    """The source consists of token ids with their own vocabulary."""

    vocab_size: int


class SharedTokens(NamedTuple):
    """The source consists of token ids in the target's vocabulary; both share one embedding."""


class Frames(NamedTuple):
    """The source consists of vectors of numbers."""

    size: int


Source = Tokens | SharedTokens | Frames


class EncoderDecoder(nn.Module):
    """p(y_t | y_1 .. y_{t-1}, source) as softmax(decoder(embedding(y), encoder(source)))."""

    def __init__(
        self,
        embedding: TokenEmbedding,
        encoder: Encoder,
        decoder: Decoder,
        output: OutputLayer,
        counts: NDArray[np.int64],
        scheduled_sampling: float = 0.0,
    ) -> None:
        super().__init__()
        # The target's embedding comes first, so that an embedding shared with the source is saved under this name.
        self.embedding, self.encoder, self.decoder, self.output = embedding, encoder, decoder, output
        self.scheduled_sampling = scheduled_sampling
        self.token_counts: Tensor
        self.register_buffer("token_counts", torch.from_numpy(counts))

    @classmethod
    def build(
        cls, architecture: Architecture, settings: EncoderDecoderSettings, counts: NDArray[np.int64], source: Source
    ) -> EncoderDecoder:
        """Builds the network. `settings` are of the class `network_settings(architecture)`, or have its fields.
        `counts`: the frequency of each token in the training targets; its length is the vocabulary's size."""
        groups = cast(Any, settings)
        embedding = TokenEmbedding(len(counts), settings.embedding)
        read: nn.Module = embedding
        if isinstance(source, Tokens):
            read = TokenEmbedding(source.vocab_size, settings.embedding)
        elif isinstance(source, Frames):
            read = Linear(source.size, settings.embedding.dim)
        encoder = Encoder(read, layers[architecture.encoder](embedding.dim, groups.encoder))
        decoder = build_decoder(architecture, embedding.dim, encoder, settings)
        table = cast(nn.Parameter, embedding.table.weight)
        output = OutputLayer(decoder.output_size, settings.output, counts, table)
        return cls(embedding, encoder, decoder, output, counts, groups.decoder.scheduled_sampling)

    @classmethod
    def rebuild(
        cls, architecture: Architecture, settings: EncoderDecoderSettings, tensors: Mapping[str, Tensor]
    ) -> EncoderDecoder:
        """An untrained network with the sizes of the saved `tensors`. A shared tensor is saved once, by its first
        name."""
        return cls.build(architecture, settings, tensors["token_counts"].numpy(), _source_of(tensors))

    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        source_lengths: Int[Tensor, " batch"] | None,
        inputs: Int[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time width"]:
        """The inputs of the softmax."""
        return self._vectors(self.decoder.read(self.encoder(source, source_lengths)), inputs, lengths)

    def _vectors(self, read: State, inputs: Tensor, lengths: Tensor | None) -> Float[Tensor, "batch time width"]:
        elements = self.embedding(inputs)
        return self.output(self.decoder(elements, read, lengths), elements)

    def loss(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        source_lengths: Int[Tensor, " batch"] | None,
        inputs: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, ""]:
        """The cross-entropy, in nats, summed over the targets where `mask` is True; in training with label smoothing
        and scheduled sampling."""
        return self._cross_entropy(
            self.decoder.read(self.encoder(source, source_lengths)), inputs, targets, lengths, mask
        )

    def _cross_entropy(
        self, read: State, inputs: Tensor, targets: Tensor, lengths: Tensor | None, mask: Tensor | None
    ) -> Float[Tensor, ""]:
        if self.training and self.scheduled_sampling:
            inputs = self._with_predictions(read, inputs, lengths)
        vectors = self._vectors(read, inputs, lengths)
        if mask is None:
            return self.output.softmax.loss(vectors.flatten(0, 1), targets.flatten())
        return self.output.softmax.loss(vectors[mask], targets[mask])

    def data_sizes(self) -> dict[str, int]:
        source = "channels" if self.encoder.reads_frames else "source_vocab_size"
        return {"vocab_size": len(self.token_counts), source: self.encoder.source_size}

    @torch.no_grad()
    def _with_predictions(self, read: State, inputs: Tensor, lengths: Tensor | None) -> Int[Tensor, "batch time"]:
        """Scheduled sampling (Bengio et al. 2015): some inputs are replaced by the model's predictions, given the true
        previous inputs, so that any decoder needs only one more pass over all steps (Mihaylova and Martins 2019)."""
        vectors = self._vectors(read, inputs[:, :-1], None if lengths is None else (lengths - 1).clamp(min=0))
        predicted = self.output.softmax.log_probs(vectors.flatten(0, 1)).argmax(1).view_as(inputs[:, 1:])
        replaced = torch.rand(predicted.shape, device=inputs.device) < self.scheduled_sampling
        return torch.cat([inputs[:, :1], torch.where(replaced, predicted, inputs[:, 1:])], dim=1)

    @torch.no_grad()
    def reading(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> EncodedSequence:
        """The vectors of the source: before the encoder, after it, and its summary."""
        encoded = self.encoder(source, lengths)
        real = encoded.real if source.is_floating_point() else encoded.real & real_tokens(source)
        return EncodedSequence(encoded.elements, encoded.outputs, real, encoded.summary)

    @torch.no_grad()
    def encode(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None,
    ) -> State:
        return self.decoder.read(self.encoder(source, lengths))

    @torch.no_grad()
    def initial_state(self, encoded: State, rows: int) -> State:
        return self.decoder.initial_state(encoded, rows)

    @torch.no_grad()
    def decode_next(
        self,
        token_ids: Int[Tensor, "batch rows"],
        state: State,
        encoded: State,
        threshold: PruningThreshold | None = None,
    ) -> tuple[Float[Tensor, "batch rows vocab"], State, Float[Tensor, "batch rows source"] | None]:
        elements = self.embedding(token_ids)
        vectors, state, weights = self.decoder.step(elements, state, encoded)
        distributions = self.output.softmax.log_probs(self.output(vectors, elements).flatten(0, 1), threshold)
        return distributions.view(*token_ids.shape, -1), state, weights

    @torch.no_grad()
    def log_prob(
        self,
        encoded: State,
        token_ids: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time"]:
        vectors = self._vectors(encoded, token_ids, lengths)
        return self.output.softmax.log_prob(vectors.flatten(0, 1), targets.flatten()).view_as(targets)


def _source_of(tensors: Mapping[str, Tensor]) -> Source:
    if "encoder.read.weight" in tensors:
        return Frames(tensors["encoder.read.weight"].shape[1])
    if "encoder.read.table.weight" in tensors:
        return Tokens(len(tensors["encoder.read.table.weight"]))
    return SharedTokens()
