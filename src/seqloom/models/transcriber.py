"""Transcribers: any layer along frames of sound, and connectionist temporal classification of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings, needs
from seqloom.models.encoder import Encoder
from seqloom.models.word_ngram import WordNgram
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State, layers
from seqloom.nn.matrix_product import Linear
from seqloom_portable.ctc import BLANK


class InputSettings(Settings):
    dim: int = Field(128, gt=0, le=2**16, description="dimension that stacked frames are mapped to")
    dropout: float = Field(0.1, ge=0, lt=1, description="rate of variational dropout on these")
    convolutions: int = Field(
        1, ge=0, le=16, description="convolutions before the layer, over earlier frames alone where the layer reads "
        "forward"
    )  # fmt: skip
    kernel_size: int = Field(
        5, gt=0, le=64, description="steps in the kernel of such a convolution",
        json_schema_extra=needs(convolutions=True),
    )  # fmt: skip


class TranscriberOutputSettings(Settings):
    dropout: float = Field(0.2, ge=0, lt=1, description="rate of variational dropout on the outputs of the layer")


class TranscriberSettings(Settings):
    """The settings of every transcriber besides `model`, those of its layer."""

    input: InputSettings = InputSettings()
    output: TranscriberOutputSettings = TranscriberOutputSettings()


class ConvolvedLayer(SequenceLayer):
    """Convolutions and a layer after them, as one; causal where the layer is."""

    settings = Settings

    def __init__(self, settings: InputSettings, layer: SequenceLayer) -> None:
        super().__init__()
        self.input_size, self.output_size = settings.dim, layer.output_size
        self.causal = layer.causal  # type: ignore[misc]  # of the class elsewhere
        self.convolutions = _convolutions(settings, layer.causal)
        self.dropout = VariationalDropout(settings.dropout)
        self.layer = layer

    def initial_state(self, batch_size: int) -> State:
        before = () if self.convolutions is None else self.convolutions.initial_state(batch_size)
        return before, self.layer.initial_state(batch_size)

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        before, layer_state = (None, None) if state is None else state
        if self.convolutions is not None:
            inputs, before = self.convolutions(inputs, before, lengths)
        outputs, layer_state = self.layer(self.dropout(inputs), layer_state, lengths)
        return outputs, (before if before is not None else (), layer_state)


def frame_encoder(frame_size: int, layer: str, layer_settings: Any, settings: InputSettings) -> Encoder:
    """Frames are mapped to vectors of `settings.dim`, and convolutions and the layer run along these."""
    read = nn.Sequential(Linear(frame_size, settings.dim), nn.LayerNorm(settings.dim))
    return Encoder(read, ConvolvedLayer(settings, layers[layer](settings.dim, layer_settings)))


class Transcriber(nn.Module):
    """p(text | sound) as the sum over all alignments with blanks (Graves et al. 2006): at each step a softmax over the
    tokens and the blank, of linear(layer(convolutions(linear(frames)))).

    `ngram`: a model of the words of transcripts. `ngram_weight` and `word_bonus` are those of a search with it, fitted
    after training.
    """

    def __init__(self, encoder: Encoder, vocab_size: int, dropout: float, ngram: WordNgram | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.output_dropout = VariationalDropout(dropout)
        self.output = Linear(encoder.output_size, vocab_size)
        self.ngram = ngram
        self.training_batches, self.warned_of_blanks = 0, False
        self.ngram_weight: Tensor
        self.word_bonus: Tensor
        self.register_buffer("ngram_weight", torch.zeros(()))
        self.register_buffer("word_bonus", torch.zeros(()))

    @classmethod
    def build(cls, name: str, settings: Any, frame_size: int, vocab_size: int, ngram: WordNgram | None) -> Transcriber:
        """`name` is that of a layer; `settings.model` are its settings."""
        encoder = frame_encoder(frame_size, name, settings.model, settings.input)
        return cls(encoder, vocab_size, settings.output.dropout, ngram)

    @classmethod
    def rebuild(cls, name: str, settings: Any, tensors: Mapping[str, Tensor]) -> Transcriber:
        """An untrained network with the sizes of the saved `tensors`."""
        frame_size, vocab_size = tensors["encoder.read.0.weight"].shape[1], len(tensors["output.bias"])
        return cls.build(name, settings, frame_size, vocab_size, WordNgram.like(tensors, "ngram."))

    @property
    def causal(self) -> bool:
        return self.encoder.layer.causal

    def data_sizes(self) -> dict[str, int]:
        return {"vocab_size": self.output.out_features, "frame_size": self.encoder.source_size}

    def initial_state(self, batch_size: int) -> State:
        return self.encoder.layer.initial_state(batch_size)

    def forward(
        self, frames: Float[Tensor, "batch time size"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time vocab"]:
        """log p of the blank and of each token at each step, in nats; undefined in padding."""
        return self._log_probs(self.encoder(frames, lengths).outputs)

    ctc_log_probs = forward

    def _log_probs(self, outputs: Tensor) -> Float[Tensor, "batch time vocab"]:
        return F.log_softmax(self.output(self.output_dropout(outputs)).float(), dim=2)

    def step(
        self, frames: Float[Tensor, "batch time size"], state: State
    ) -> tuple[Float[Tensor, "batch time vocab"], State]:
        """The same for the next frames of a recording, and the state after them. Only of a layer that reads forward."""
        assert self.causal, "the layer needs later frames"
        outputs, state = self.encoder.layer(self.encoder.read(frames), state)
        return self._log_probs(outputs), state

    def transcript_loss(
        self,
        frames: Float[Tensor, "batch time size"],
        frame_lengths: Int[Tensor, " batch"] | None,
        inputs: Int[Tensor, "batch tokens"],  # noqa: ARG002
        targets: Int[Tensor, "batch tokens"],
        lengths: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, ""]:
        """-log p(text | sound) in nats, summed over the rows. `targets` end in `<eos>`; a row that has fewer steps than
        its text needs counts nothing."""
        self.training_batches += self.training
        return ctc_loss(self(frames, frame_lengths), frame_lengths, *without_end(targets, lengths))


def without_end(
    targets: Int[Tensor, "batch tokens"], lengths: Int[Tensor, " batch"] | None
) -> tuple[Int[Tensor, "batch fewer"], Int[Tensor, " batch"]]:
    """Targets without their `<eos>`, and their lengths; one column at least."""
    if lengths is None:
        lengths = torch.full((len(targets),), targets.shape[1], device=targets.device)
    return targets[:, : max(targets.shape[1] - 1, 1)], lengths - 1


def ctc_loss(
    log_probs: Float[Tensor, "batch time vocab"],
    frame_lengths: Int[Tensor, " batch"] | None,
    targets: Int[Tensor, "batch tokens"],
    target_lengths: Int[Tensor, " batch"],
) -> Float[Tensor, ""]:
    batch, time, _ = log_probs.shape
    if frame_lengths is None:
        frame_lengths = torch.full((batch,), time, device=log_probs.device)
    lengths = frame_lengths.clamp(min=1)
    return F.ctc_loss(
        log_probs.transpose(0, 1), targets, lengths, target_lengths, BLANK, reduction="sum", zero_infinity=True
    )


def _convolutions(settings: InputSettings, causal: bool) -> SequenceLayer | None:
    if not settings.convolutions:
        return None
    kind = cast(Any, layers["tcn" if causal else "cnn"])
    sizes = {"hidden_size": settings.dim, "num_layers": settings.convolutions, "kernel_size": settings.kernel_size}
    return kind(settings.dim, kind.settings(**sizes, dilation=1))
