"""Taggers: words represented by embeddings and characters, or numbers; any layer, and a softmax or a CRF."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.config import Settings, needs
from seqloom.data.batches import Batch, Forms
from seqloom.data.labels import UNSEEN
from seqloom.models.auxiliary_tags import AuxiliaryTags
from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.models.encoder import Encoded, Encoder
from seqloom.models.neighbour_words import NeighbourWords
from seqloom.models.word_encoder import CharacterSettings, WordEncoder, WordSettings
from seqloom.nn.crf.crf import CRF
from seqloom.nn.crf.tag_output import TagOutput, TagSoftmax, most_probable
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.layer import SequenceLayer, State
from seqloom.nn.matrix_product import Linear


class FrameInputSettings(Settings):
    dim: int = Field(64, gt=0, le=2**16, description="dimension that a step is mapped to")


class TaggerSettings(Settings):
    """`words` and `characters` are for sentences, `frames` for sequences of numbers."""

    words: WordSettings = WordSettings()
    characters: CharacterSettings = CharacterSettings()
    frames: FrameInputSettings = FrameInputSettings()
    input_dropout: float = Field(0.5, ge=0, lt=1, description="rate of variational dropout on the input vectors")
    output_dropout: float = Field(
        0.5, ge=0, lt=1, description="rate of variational dropout on the outputs of the layer"
    )
    auxiliary_weight: float = Field(
        0.3, ge=0, le=1e3, description="weight of the loss of each auxiliary column, where data.auxiliary has any",
        json_schema_extra=needs(**{"data.auxiliary": True}),
    )  # fmt: skip
    language_model_weight: float = Field(
        0.0,
        ge=0,
        le=1e3,
        description="weight of the loss of a language model that the network learns to be too, such as 0.3: the next "
        "word from those before it, the previous one from those after it (sentences of words)",
    )
    output: Literal["auto", "softmax", "crf"] = Field(
        "auto",
        description="softmax: each tag by itself; crf: the most probable tag sequence, well formed if tags mark spans "
        "(B-X, I-X, O); auto: crf if they do",
    )
    model: Settings


class EmitsTags(nn.Module):
    """A network whose output for a sequence are emissions, of which `output` makes tags."""

    output: TagOutput

    def loss(
        self,
        inputs: Tensor,
        forms: Forms | None,
        tags: Int[Tensor, "batch time"],
        known: Bool[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """-log p of the tags that are `known`, in nats, summed."""
        return self.output.loss(self(inputs, forms, lengths), tags, known, lengths)

    @torch.no_grad()
    def tag(
        self,
        inputs: Tensor,
        forms: Forms | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        known: Int[Tensor, "batch time"] | None = None,
    ) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]:
        """The most probable tags, and the probability of each, given the `known` tags (-1 where a tag is not known)."""
        return most_probable(self.output, self(inputs, forms, lengths), lengths, known)


class SequenceTagger(EmitsTags, ABC):
    """Emissions linear(layer(vectors)) of the vectors of a sequence's elements, and an output layer for tags (Lample et
    al. 2016, section 2).

    `inputs` are what a batch has of the elements: (batch, time) indices into `forms`, or (batch, time, channels)
    numbers without forms.
    """

    def _add_layers(
        self,
        layer: type[SequenceLayer],
        input_size: int,
        settings: TaggerSettings,
        legal: NDArray[np.bool_] | None,
        num_tags: int,
    ) -> None:
        """All that comes after the vectors. `legal`: which tag may follow which (see `CRF`), or None for a softmax."""
        self.input_dropout = VariationalDropout(settings.input_dropout)
        self.encoder = Encoder(nn.Identity(), layer(input_size, settings.model))
        self.output_dropout = VariationalDropout(settings.output_dropout)
        self.emit = Linear(self.encoder.output_size, num_tags)
        self.output: TagOutput = TagSoftmax() if legal is None else CRF(torch.from_numpy(legal))

    @abstractmethod
    def vectors(self, inputs: Tensor, forms: Forms | None) -> Float[Tensor, "batch time size"]:
        """A vector for each element."""

    def forward(
        self, inputs: Tensor, forms: Forms | None = None, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time tags"]:
        """The emissions."""
        return self._emissions(self._encoded(self.vectors(inputs, forms), lengths).outputs)

    def _encoded(self, vectors: Tensor, lengths: Tensor | None) -> Encoded:
        return self.encoder(self.input_dropout(vectors), lengths)

    def _emissions(self, outputs: Tensor) -> Tensor:
        return self.emit(self.output_dropout(outputs))

    @torch.no_grad()
    def tag_next(self, vector: Float[Tensor, "1 1 size"], state: State | None, before: int | None) -> tuple[int, State]:
        """The tag of the element with this vector, without later ones, and the new state. `before` is the tag of the
        previous element and `state` the state after it; both are None at the first one. Only for causal layers."""
        layer = self.encoder.layer
        assert layer.causal, "a bidirectional layer needs the later words"
        outputs, state = layer(vector, state)
        return self.output.step(self.emit(outputs)[0, 0], before), state

    @torch.no_grad()
    def reading(
        self, inputs: Tensor, forms: Forms | None = None, lengths: Int[Tensor, " batch"] | None = None
    ) -> EncodedSequence:
        """The encoded sequences."""
        vectors = self.vectors(inputs, forms)
        encoded = self._encoded(vectors, lengths)
        return EncodedSequence(vectors, encoded.outputs, encoded.real, encoded.summary)


class Tagger(SequenceTagger):
    """Of sentences, whose words are represented by embeddings and their characters."""

    def __init__(
        self,
        layer: type[SequenceLayer],
        settings: TaggerSettings,
        word_counts: NDArray[np.int64],
        num_characters: int,
        legal: NDArray[np.bool_] | None,
        num_tags: int,
        auxiliary: Sequence[int] = (),
        predicts_words: bool = False,
    ) -> None:
        """`word_counts`: the frequency of each word of the vocabulary in the training data. `auxiliary`: the number of
        labels of each auxiliary column. `predicts_words`: whether it learns to predict neighbouring words too."""
        super().__init__()
        self.forms = WordEncoder(word_counts, num_characters, settings.words, settings.characters)
        self._add_layers(layer, self.forms.output_size, settings, legal, num_tags)
        self.auxiliary = AuxiliaryTags(self.encoder.output_size, auxiliary, settings.auxiliary_weight)
        weight = settings.language_model_weight
        self.neighbours = (
            NeighbourWords(self.encoder.layer, word_counts, self.forms.words, weight) if predicts_words else None
        )

    @classmethod
    def rebuild(cls, layer: type[SequenceLayer], settings: TaggerSettings, tensors: Mapping[str, Tensor]) -> Tagger:
        """An untrained network with the sizes of the saved `tensors`."""
        counts, characters = tensors["forms.word_counts"].numpy(), len(tensors["forms.letters.read.weight"])
        auxiliary = AuxiliaryTags.sizes(tensors, "auxiliary.")
        predicts_words = any(name.startswith("neighbours.") for name in tensors)
        tags = len(tensors["emit.bias"])
        return cls(layer, settings, counts, characters, _legal(tensors), tags, auxiliary, predicts_words)

    @property
    def has_more_to_learn(self) -> bool:
        return self.neighbours is not None or len(self.auxiliary.columns) > 0

    def multi_task_loss(self, batch: Batch, known: Bool[Tensor, "batch time"]) -> Float[Tensor, ""]:
        """`loss` of a batch, whose gradient is also that of what else there is to learn: its auxiliary labels, its
        words, and the words of the batch beside it. For training."""
        real = batch.mask()
        outputs = self._dropped(batch)
        loss = self.output.loss(self.emit(outputs), batch.targets, known, batch.lengths)
        others = []
        if batch.auxiliary is not None:
            labels = batch.auxiliary if real is None else batch.auxiliary.masked_fill(~real[:, :, None], UNSEEN)
            others.append(self.auxiliary.loss(outputs, labels))
        if self.neighbours is not None:
            others.append(self.neighbours.loss(outputs, _word_ids(batch), real))
        if self.neighbours is not None and batch.beside is not None:
            raw = batch.beside
            others.append(self.neighbours.loss(self._dropped(raw), _word_ids(raw), raw.mask()))
        for other in others:
            loss = loss + (other - other.detach())  # so that the losses of training and validation mean the same
        return loss

    def _dropped(self, batch: Batch) -> Float[Tensor, "batch time size"]:
        """The outputs of the layer after dropout."""
        vectors = self.vectors(batch.inputs, batch.forms)
        return self.output_dropout(self._encoded(vectors, batch.lengths).outputs)

    def data_sizes(self) -> dict[str, int]:
        words, characters = len(self.forms.word_counts), self.forms.letters.source_size
        return {"vocab_size": words, "characters": characters, "labels": self.emit.out_features}

    def vectors(self, inputs: Int[Tensor, "batch time"], forms: Forms | None) -> Float[Tensor, "batch time size"]:
        assert forms is not None
        return F.embedding(inputs, self.forms(forms))


class FrameTagger(SequenceTagger):
    """Of sequences of numbers: each step is mapped to a vector."""

    def __init__(
        self,
        layer: type[SequenceLayer],
        settings: TaggerSettings,
        channels: int,
        legal: NDArray[np.bool_] | None,
        num_tags: int,
    ) -> None:
        super().__init__()
        self.frames = Linear(channels, settings.frames.dim)
        self._add_layers(layer, settings.frames.dim, settings, legal, num_tags)

    @classmethod
    def rebuild(
        cls, layer: type[SequenceLayer], settings: TaggerSettings, tensors: Mapping[str, Tensor]
    ) -> FrameTagger:
        """An untrained network with the sizes of the saved `tensors`."""
        channels = tensors["frames.weight"].shape[1]
        return cls(layer, settings, channels, _legal(tensors), len(tensors["emit.bias"]))

    def data_sizes(self) -> dict[str, int]:
        return {"channels": self.frames.in_features, "labels": self.emit.out_features}

    def vectors(
        self,
        inputs: Float[Tensor, "batch time channels"],
        forms: Forms | None = None,  # noqa: ARG002
    ) -> Float[Tensor, "batch time size"]:
        return self.frames(inputs)


def _word_ids(batch: Batch) -> Int[Tensor, "batch time"]:
    assert batch.forms is not None
    return batch.forms.word_ids[batch.inputs]


def _legal(tensors: Mapping[str, Tensor]) -> NDArray[np.bool_] | None:
    return tensors["output.legal"].numpy() if "output.legal" in tensors else None


def rebuild_tagger(
    layer: type[SequenceLayer], settings: TaggerSettings, tensors: Mapping[str, Tensor]
) -> Tagger | FrameTagger:
    """An untrained tagger of what the saved one tagged, with the sizes of its `tensors`."""
    kind = FrameTagger if "frames.weight" in tensors else Tagger
    return kind.rebuild(layer, settings, tensors)
