"""Neural classifiers of sequences: any layer, its outputs pooled into one vector, and a linear output layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, create_model
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.errors import unknown_name
from seqloom.models.class_model import ClassLogits, ClassModel
from seqloom.models.encoded_sequence import EncodedSequence, real_tokens
from seqloom.models.encoder import Encoded, Encoder
from seqloom.models.encoder_decoder import Frames, Tokens
from seqloom.models.target_outputs import TargetOutput, saved_output
from seqloom.models.word_vectors.two_channel_embedding import PretrainedTokens, TwoChannelEmbedding
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding
from seqloom.nn.layer import SequenceLayer, State, layers, without_padding
from seqloom.nn.layers.recurrent import RecurrentStack
from seqloom.nn.matrix_product import Linear
from seqloom.nn.pooling import AttentionPool, max_pool, mean_pool
from seqloom.registry import Description

_ATTENTION = "+attention"


Pool = Literal["last", "mean", "max", "attention"]

_POOLS: dict[str, Callable[[Encoded], Tensor]] = {
    "last": lambda encoded: encoded.summary,
    "mean": lambda encoded: mean_pool(encoded.outputs, encoded.real),
    "max": lambda encoded: max_pool(encoded.outputs, encoded.real),
}


class OutputSettings(Settings):
    pool: Literal["mean", "max", "attention"] = Field(
        "max", description="pooling of the layer's outputs: their mean, their elementwise maximum, or a mean "
        "weighted by attention"
    )  # fmt: skip
    dropout: float = Field(0.3, ge=0, lt=1, description="rate of dropout on the pooled vector")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing: share of a class's probability that is spread over all classes"
    )


class RecurrentOutputSettings(OutputSettings):
    pool: Pool = Field(  # type: ignore[assignment]
        "max", description="pooling: the layer's last hidden state, or the mean of its outputs, their elementwise "
        "maximum, or a mean weighted by attention"
    )  # fmt: skip


class AttentionOutputSettings(OutputSettings):
    pool: Literal["attention"] = Field("attention", description="pooling by attention, part of this model")


class FeedForwardSettings(Settings):
    size_settings: ClassVar = ("hidden_size",)

    hidden_size: int = Field(256, gt=0, le=2**16, description="units of a hidden layer")
    num_layers: int = Field(1, gt=0, le=64, description="number of hidden layers")
    dropout: float = Field(0.3, ge=0, lt=1, description="rate of dropout after each hidden layer")


class KnownEmbeddingSettings(EmbeddingSettings):
    from_: str = Field(
        "",
        alias="from",
        description="fixed pretrained embeddings, from a run or a file, as a second channel beside the trained one; "
        "their words are then known even if the training data lacks them",
    )


class NetworkSettings(Settings):
    """The settings of every neural classifier besides `model` and `output`."""

    embedding: KnownEmbeddingSettings = KnownEmbeddingSettings()


class Layout(NamedTuple):
    """`layer` is the name of the layer; it is empty if the embeddings are pooled directly. `attends`: the model always
    pools by attention."""

    layer: str
    attends: bool = False

    @property
    def streams(self) -> bool:
        """Whether the layer can run over a sequence in chunks."""
        return not self.layer or layers[self.layer].causal


def layouts() -> Mapping[str, Layout]:
    """The layout of every model name."""
    plain = {name: Layout(name) for name in ("cnn", "ntm", "tcn")}
    by_name = {"ffnn": Layout(""), **plain, "transformer": Layout("bitransformer")}
    for cell in (name for name in layers if f"bi{name}" in layers and name != "transformer"):
        by_name |= {name: Layout(name) for name in (cell, f"bi{cell}")}
    return by_name | {f"{name}{_ATTENTION}": layout._replace(attends=True) for name, layout in by_name.items()}


def layout(name: str) -> Layout:
    """The layout of a model name. Raises RequestError with the nearest name if it is unknown."""
    known = layouts()
    if name not in known:
        raise unknown_name("model", name, known)
    return known[name]


def describe_layout(layout: Layout) -> Description:
    """One sentence on the model, and the paper that introduced it."""
    if not layout.layer:
        pooled = "pooled by attention" if layout.attends else "pooled into one vector"
        return Description(f"A feed-forward network over the embeddings, {pooled}.", "Iyyer et al. 2015")
    plain = layers.describe(layout.layer)
    if not layout.attends:
        return plain
    return Description(f"The layer {layout.layer} with its outputs pooled by attention.", plain.source)


def setting_fields(layout: Layout) -> dict[str, Any]:
    """The groups `model` and `output`: fields for pydantic's `create_model`."""
    layer_settings = layers[layout.layer].settings if layout.layer else FeedForwardSettings
    output = AttentionOutputSettings if layout.attends else OutputSettings
    if layout.layer and issubclass(layers[layout.layer], RecurrentStack) and not layout.attends:
        output = RecurrentOutputSettings
    return {"model": (layer_settings, layer_settings()), "output": (output, output())}


def network_settings(layout: Layout) -> type[NetworkSettings]:
    """The settings class of a network, with the groups of its layout."""
    return create_model("ClassifierSettings", __base__=NetworkSettings, **setting_fields(layout))


class Classifier(ClassModel):
    """W net(dropout(pool(layer(embedding(x))))) + b, whose meaning is that of `target`; `net` is a stack of hidden
    layers, or the identity."""

    def __init__(
        self,
        encoder: Encoder,
        net: nn.Module,
        net_size: int | None,
        target: TargetOutput,
        output: OutputSettings,
    ) -> None:
        """`net_size` is the output dimension of `net`; None means that of its input."""
        super().__init__(target, output.label_smoothing)
        self.encoder, self.net = encoder, net
        self.pool: Pool = cast(Pool, output.pool)
        size = encoder.summary_size if self.pool == "last" else encoder.output_size
        self.attention = AttentionPool(size, size) if self.pool == "attention" else None
        self.dropout = nn.Dropout(output.dropout)
        self.output = Linear(net_size or size, target.size)

    @classmethod
    def build(
        cls,
        layout: Layout,
        settings: NetworkSettings,
        source: Tokens | PretrainedTokens | Frames,
        target: TargetOutput,
        chunk_size: int = 0,
    ) -> Classifier:
        """Builds the network. `settings` are of the class `network_settings(layout)`, or have its fields. `chunk_size`:
        see `Encoder`."""
        groups = cast(Any, settings)
        read, size = _reader(source, settings.embedding)
        if layout.layer:
            encoder = Encoder(read, layers[layout.layer](size, groups.model), chunk_size)
            return cls(encoder, nn.Identity(), None, target, groups.output)
        encoder = Encoder(read, IdentityLayer(size))
        return cls(encoder, _hidden_layers(size, groups.model), groups.model.hidden_size, target, groups.output)

    @classmethod
    def rebuild(
        cls, layout: Layout, settings: NetworkSettings, tensors: Mapping[str, Tensor], chunk_size: int = 0
    ) -> Classifier:
        """An untrained network with the sizes of the saved `tensors`."""
        source: Tokens | PretrainedTokens | Frames | None = PretrainedTokens.saved(tensors, "encoder.read.")
        if source is None and "encoder.read.table.weight" in tensors:
            source = Tokens(len(tensors["encoder.read.table.weight"]))
        elif source is None:
            source = Frames(tensors["encoder.read.0.weight"].shape[1])
        return cls.build(layout, settings, source, saved_output(tensors), chunk_size)

    def forward(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> ClassLogits:
        vectors, weights = self.pooled(self.encoder(source, lengths))
        return ClassLogits(self.output(self.net(self.dropout(vectors))), weights)

    def data_sizes(self) -> dict[str, int]:
        source = "channels" if self.encoder.reads_frames else "vocab_size"
        return {**super().data_sizes(), source: self.encoder.source_size}

    def pooled(self, encoded: Encoded) -> tuple[Float[Tensor, "batch size"], Float[Tensor, "batch source"] | None]:
        """The pooled vector of each row, and the attention weights, or None if the model does not pool by attention."""
        if self.attention is not None:
            return self.attention(encoded.outputs, encoded.real)
        return _POOLS[self.pool](encoded), None

    @torch.no_grad()
    def reading(
        self,
        source: Int[Tensor, "batch source"] | Float[Tensor, "batch source size"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> EncodedSequence:
        encoded = self.encoder(source, lengths)
        elements = self.encoder.read(without_padding(source, lengths) if source.is_floating_point() else source)
        real = encoded.real if source.is_floating_point() else encoded.real & real_tokens(source)
        return EncodedSequence(elements, encoded.outputs, real, encoded.summary)


class IdentityLayer(SequenceLayer):
    """Returns its inputs; its state is empty."""

    settings = Settings

    def __init__(self, size: int) -> None:
        super().__init__()
        self.input_size = self.output_size = size

    def initial_state(self, batch_size: int) -> State:  # noqa: ARG002
        return ()

    def forward(
        self,
        inputs: Float[Tensor, "batch time input"],
        state: State | None = None,  # noqa: ARG002
        lengths: Int[Tensor, " batch"] | None = None,  # noqa: ARG002
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        return inputs, ()


def _reader(source: Tokens | PretrainedTokens | Frames, settings: EmbeddingSettings) -> tuple[nn.Module, int]:
    """The module that maps elements to vectors, and the dimension of the vectors."""
    if isinstance(source, PretrainedTokens):
        embedding = TwoChannelEmbedding(source, settings)
        return embedding, embedding.dim
    if isinstance(source, Tokens):
        return TokenEmbedding(source.vocab_size, settings), settings.dim
    return nn.Sequential(Linear(source.size, settings.dim), VariationalDropout(settings.dropout)), settings.dim


def _hidden_layers(size: int, settings: FeedForwardSettings) -> nn.Module:
    modules: list[nn.Module] = []
    for width in [size] + [settings.hidden_size] * (settings.num_layers - 1):
        modules += [Linear(width, settings.hidden_size), nn.GELU(), nn.Dropout(settings.dropout)]
    return nn.Sequential(*modules)
