"""Transcribers with a decoder that attends to the sound, trained together with CTC of the encoder's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field, create_model
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.models.architecture import Architecture, EncoderDecoderSettings, build_decoder, setting_fields
from seqloom.models.decoder import Decoder
from seqloom.models.encoder import Encoder
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.transcriber import InputSettings, ctc_loss, frame_encoder, without_end
from seqloom.nn.embedding import TokenEmbedding
from seqloom.nn.layer import layers
from seqloom.nn.matrix_product import Linear
from seqloom.nn.output import OutputLayer

ATTENTION = "+attention"
_DECODER_OF_OTHERS = "gru"


class CtcSettings(Settings):
    weight: float = Field(
        0.3, ge=0, lt=1, description="share of CTC's log-probability in the loss and in the score of a hypothesis; the "
        "rest is the decoder's; 0: the decoder alone"
    )  # fmt: skip


class AttentionalTranscriberSettings(EncoderDecoderSettings):
    """The settings of every such model besides `encoder`, `decoder` and `attention`."""

    input: InputSettings = InputSettings()
    ctc: CtcSettings = CtcSettings()


def transcriber_architectures() -> Mapping[str, Architecture]:
    """The architecture of every model name. A recurrent encoder has a decoder with the same cell, a Transformer has a
    Transformer, a convolutional network has a GRU."""
    by_name = {}
    for name in layers:
        cell = name.removeprefix("bi")
        if name == "bitransformer":
            by_name[name + ATTENTION] = Architecture(name, "transformer")
        elif f"bi{cell}" in layers and cell != "transformer":
            by_name[name + ATTENTION] = Architecture(name, cell, attends=True)
        elif name in ("cnn", "tcn"):
            by_name[name + ATTENTION] = Architecture(name, _DECODER_OF_OTHERS, attends=True)
    return by_name


def attentional_settings(architecture: Architecture) -> type[AttentionalTranscriberSettings]:
    return create_model(
        "AttentionalTranscriberSettings", __base__=AttentionalTranscriberSettings, **setting_fields(architecture)
    )


class AttentionalTranscriber(EncoderDecoder):
    """An encoder-decoder of sound (Chan et al. 2016), with CTC over the encoder's outputs beside the decoder (Watanabe
    et al. 2017): loss = (1 - w) cross-entropy + w CTC."""

    def __init__(
        self,
        embedding: TokenEmbedding,
        encoder: Encoder,
        decoder: Decoder,
        output: OutputLayer,
        counts: NDArray[np.int64],
        scheduled_sampling: float,
        ctc_weight: float,
    ) -> None:
        super().__init__(embedding, encoder, decoder, output, counts, scheduled_sampling)
        self.ctc_weight = ctc_weight
        self.ctc_output = Linear(encoder.output_size, len(counts))
        self.training_batches, self.warned_of_blanks = 0, False

    @classmethod
    def of(
        cls, architecture: Architecture, settings: Any, counts: NDArray[np.int64], frame_size: int
    ) -> AttentionalTranscriber:
        """`counts`: the frequency of each token in the training transcripts, which also gives the vocabulary's size."""
        embedding = TokenEmbedding(len(counts), settings.embedding)
        encoder = frame_encoder(frame_size, architecture.encoder, settings.encoder, settings.input)
        decoder = build_decoder(architecture, embedding.dim, encoder, settings)
        output = OutputLayer(decoder.output_size, settings.output, counts, cast(nn.Parameter, embedding.table.weight))
        return cls(
            embedding, encoder, decoder, output, counts, settings.decoder.scheduled_sampling, settings.ctc.weight
        )

    @classmethod
    def reopened(
        cls, architecture: Architecture, settings: Any, tensors: Mapping[str, Tensor]
    ) -> AttentionalTranscriber:
        """An untrained network with the sizes of the saved `tensors`."""
        frame_size = tensors["encoder.read.0.weight"].shape[1]
        return cls.of(architecture, settings, tensors["token_counts"].numpy(), frame_size)

    @property
    def causal(self) -> bool:
        return self.encoder.layer.causal

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": len(self.token_counts), "frame_size": self.encoder.source_size}

    def ctc_log_probs(
        self, frames: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time vocab"]:
        return self.ctc_of(self.encoder(frames, lengths).outputs)

    def ctc_of(self, outputs: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time vocab"]:
        """The log-probabilities of CTC, from the outputs of the encoder."""
        return F.log_softmax(self.ctc_output(outputs).float(), dim=2)

    def transcript_loss(
        self,
        frames: Float[Tensor, "batch time size"],
        frame_lengths: Int[Tensor, " batch"] | None,
        inputs: Int[Tensor, "batch tokens"],
        targets: Int[Tensor, "batch tokens"],
        lengths: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, ""]:
        """In nats, summed over the rows."""
        self.training_batches += self.training
        encoded = self.encoder(frames, frame_lengths)
        real = None if lengths is None else torch.arange(targets.shape[1], device=targets.device) < lengths[:, None]
        nats = self._cross_entropy(self.decoder.read(encoded), inputs, targets, lengths, real)
        if not self.ctc_weight:
            return nats
        ctc = ctc_loss(self.ctc_of(encoded.outputs), frame_lengths, *without_end(targets, lengths))
        return (1 - self.ctc_weight) * nats + self.ctc_weight * ctc
