"""Transcribers: any layer along frames of sound, and connectionist temporal classification of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings
from seqloom.data.tokenizer import PAD
from seqloom.models.encoder import Encoded, Encoder
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State, layers
from seqloom.nn.matrix_product import Linear

BLANK = PAD
"""The id of CTC's blank: no transcript holds padding."""


class InputSettings(Settings):
    dim: int = Field(128, gt=0, le=2**16, description="dimension that stacked frames are mapped to")
    dropout: float = Field(0.1, ge=0, lt=1, description="rate of variational dropout on these")
    convolutions: int = Field(
        1, ge=0, le=16, description="convolutions before the layer, over earlier frames alone where the layer reads "
        "forward"
    )  # fmt: skip
    kernel_size: int = Field(5, gt=0, le=64, description="steps in the kernel of such a convolution")


class TranscriberOutputSettings(Settings):
    dropout: float = Field(0.2, ge=0, lt=1, description="rate of variational dropout on the outputs of the layer")


class TranscriberSettings(Settings):
    """The settings of every transcriber besides `model`, those of its layer."""

    input: InputSettings = InputSettings()
    output: TranscriberOutputSettings = TranscriberOutputSettings()


class Transcriber(nn.Module):
    """p(text | sound) as the sum over all alignments with blanks (Graves et al. 2006): at each step a softmax over the
    tokens and the blank, of linear(layer(convolutions(linear(frames)))).

    `ngram_weight` and `word_bonus` are those of a search with a language model, fitted after training.
    """

    def __init__(self, frame_size: int, layer: SequenceLayer, vocab_size: int, settings: TranscriberSettings) -> None:
        super().__init__()
        size = settings.input.dim
        self.read = nn.Sequential(Linear(frame_size, size), nn.LayerNorm(size))
        self.convolutions = _convolutions(size, settings.input, layer.causal)
        self.input_dropout = VariationalDropout(settings.input.dropout)
        self.encoder = Encoder(nn.Identity(), layer)
        self.output_dropout = VariationalDropout(settings.output.dropout)
        self.output = Linear(layer.output_size, vocab_size)
        self.ngram_weight: Tensor
        self.word_bonus: Tensor
        self.register_buffer("ngram_weight", torch.zeros(()))
        self.register_buffer("word_bonus", torch.zeros(()))

    @classmethod
    def build(cls, name: str, settings: Any, frame_size: int, vocab_size: int) -> Transcriber:
        """`name` is that of a layer; `settings.model` are its settings."""
        return cls(frame_size, layers[name](settings.input.dim, settings.model), vocab_size, settings)

    @classmethod
    def rebuild(cls, name: str, settings: Any, tensors: Mapping[str, Tensor]) -> Transcriber:
        """An untrained network with the sizes of the saved `tensors`."""
        return cls.build(name, settings, tensors["read.0.weight"].shape[1], len(tensors["output.bias"]))

    @property
    def causal(self) -> bool:
        return self.encoder.layer.causal

    def initial_state(self, batch_size: int) -> State:
        before = () if self.convolutions is None else self.convolutions.initial_state(batch_size)
        return before, self.encoder.layer.initial_state(batch_size)

    def encoded(
        self, frames: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Encoded:
        vectors = self.read(frames)
        if self.convolutions is not None:
            vectors, _ = self.convolutions(vectors, None, lengths)
        return self.encoder(self.input_dropout(vectors), lengths)

    def forward(
        self, frames: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time vocab"]:
        """log p of the blank and of each token at each step, in nats; undefined in padding."""
        return self._log_probs(self.encoded(frames, lengths).outputs)

    def _log_probs(self, outputs: Tensor) -> Float[Tensor, "batch time vocab"]:
        return F.log_softmax(self.output(self.output_dropout(outputs)).float(), dim=2)

    def step(
        self, frames: Float[Tensor, "batch time size"], state: State
    ) -> tuple[Float[Tensor, "batch time vocab"], State]:
        """The same for the next frames of a recording, and the state after them. Only of a layer that reads forward."""
        assert self.causal, "the layer needs later frames"
        before, layer_state = state
        vectors = self.read(frames)
        if self.convolutions is not None:
            vectors, before = self.convolutions(vectors, before)
        outputs, layer_state = self.encoder.layer(vectors, layer_state)
        return self._log_probs(outputs), (before, layer_state)

    def loss(
        self,
        frames: Float[Tensor, "batch time size"],
        frame_lengths: Int[Tensor, " batch"] | None,
        targets: Int[Tensor, "batch tokens"],
        target_lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """-log p(text | sound) in nats, summed over the rows. `targets` have no end; a row that has fewer steps than
        its text needs counts nothing."""
        return ctc_loss(self(frames, frame_lengths), frame_lengths, targets, target_lengths)


def ctc_loss(
    log_probs: Float[Tensor, "batch time vocab"],
    frame_lengths: Int[Tensor, " batch"] | None,
    targets: Int[Tensor, "batch tokens"],
    target_lengths: Int[Tensor, " batch"],
) -> Float[Tensor, ""]:
    batch, time, _ = log_probs.shape
    if frame_lengths is None:
        frame_lengths = torch.full((batch,), time, device=log_probs.device)
    nats = F.ctc_loss(
        log_probs.transpose(0, 1),
        targets,
        frame_lengths.clamp(min=1),
        target_lengths,
        BLANK,
        "none",
        zero_infinity=True,
    )
    return nats.sum()


def _convolutions(size: int, settings: InputSettings, causal: bool) -> SequenceLayer | None:
    if not settings.convolutions:
        return None
    kind = cast(Any, layers["tcn" if causal else "cnn"])
    options = {"hidden_size": size, "num_layers": settings.convolutions, "kernel_size": settings.kernel_size}
    return kind(size, kind.settings(**options, dilation=1))
