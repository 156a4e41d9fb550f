"""The names of encoder-decoder models: their encoder and decoder layers, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from pydantic import Field, create_model

from seqloom.config import Settings
from seqloom.errors import unknown_name
from seqloom.models.attentional_decoder import AttentionalDecoder, InputFeedingDecoder
from seqloom.models.decoder import Decoder, DecoderSettings
from seqloom.models.encoder import Encoder
from seqloom.models.recurrent_decoder import ContextDecoder
from seqloom.models.transformer_decoder import TransformerDecoder
from seqloom.nn.attention.alignment import AttentionSettings
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import SequenceLayer, layers
from seqloom.nn.layers.transformer import Transformer
from seqloom.nn.output import OutputSettings
from seqloom.registry import Description


class Architecture(NamedTuple):
    """`encoder` and `decoder` are names of layers. `attends`: a recurrent decoder attends to the encoder's outputs,
    with the settings `attention`; a Transformer always attends and does not have these settings."""

    encoder: str
    decoder: str
    attends: bool = False


class EncoderDecoderSettings(Settings):
    """The settings that all encoder-decoders share; `setting_fields` adds those of one architecture. `embedding`
    applies to source and target."""

    embedding: EmbeddingSettings = EmbeddingSettings()
    output: OutputSettings = OutputSettings()


def architectures() -> Mapping[str, Architecture]:
    """The architecture of every model name. With attention the encoder is bidirectional (Bahdanau et al. 2015, section
    3.2)."""
    by_name = {"transformer": Architecture("bitransformer", "transformer")}
    for cell in (name for name in layers if f"bi{name}" in layers and name != "transformer"):
        both = f"bi{cell}"
        by_name |= {cell: Architecture(cell, cell), both: Architecture(both, cell)}
        by_name |= {f"{name}+attention": Architecture(both, cell, attends=True) for name in (cell, both)}
    return by_name


def architecture(name: str) -> Architecture:
    """The architecture of a model name. Raises RequestError with the nearest name if it is unknown."""
    known = architectures()
    if name not in known:
        raise unknown_name("model", name, known)
    return known[name]


def describe_architecture(architecture: Architecture) -> Description:
    """One sentence on the model, and the paper that introduced it."""
    if issubclass(layers[architecture.decoder], Transformer):
        text = "A Transformer encoder reads the source, a causal Transformer writes the target."
        return Description(text, "Vaswani et al. 2017")
    reads = f"An encoder-decoder: {architecture.encoder} reads the source, {architecture.decoder} writes the target"
    if architecture.attends:
        return Description(f"{reads} with attention.", "Bahdanau et al. 2015; Luong et al. 2015")
    return Description(f"{reads}.", "Sutskever et al. 2014; Cho et al. 2014")


def setting_fields(architecture: Architecture) -> dict[str, Any]:
    """The groups `encoder`, `decoder` and, with attention, `attention`: fields for pydantic's `create_model`."""
    groups = {"encoder": layers[architecture.encoder].settings, "decoder": _decoder_settings(architecture.decoder)}
    if architecture.attends:
        groups["attention"] = AttentionSettings
    return {name: (group, group()) for name, group in groups.items()}


def network_settings(architecture: Architecture) -> type[EncoderDecoderSettings]:
    """The settings class of a network, with the groups of its architecture."""
    return create_model("NetworkSettings", __base__=EncoderDecoderSettings, **setting_fields(architecture))


def _decoder_settings(layer: str) -> type[Settings]:
    layer_settings = layers[layer].settings
    changed: dict[str, Any] = {}
    if "initial_state" in layer_settings.model_fields:
        start = Field("summary", description="initial hidden state: computed from the summary of the source, or zeros")
        changed["initial_state"] = (Literal["summary", "zeros"], start)
    return create_model(f"{layer_settings.__name__}OfDecoder", __base__=(DecoderSettings, layer_settings), **changed)


def build_decoder(
    architecture: Architecture, input_size: int, encoder: Encoder, settings: EncoderDecoderSettings
) -> Decoder:
    """Builds the decoder. `settings` are of the class `network_settings(architecture)`, or have its fields."""
    groups, layer = cast(Any, settings), layers[architecture.decoder]
    decoder_settings = groups.decoder
    if issubclass(layer, Transformer):
        return TransformerDecoder(input_size, encoder, decoder_settings)
    bridged, output_size = decoder_settings.initial_state == "summary", decoder_settings.hidden_size

    def stack(size: int) -> SequenceLayer:
        values = {name: getattr(decoder_settings, name) for name in layer.settings.model_fields}
        return layer(size, layer.settings(**values | {"initial_state": "zeros"}))

    if not architecture.attends:
        return ContextDecoder(stack, input_size, encoder.summary_size, bridged)
    attention = cast(AttentionSettings, groups.attention)
    kind = InputFeedingDecoder if attention.input_feeding else AttentionalDecoder
    return kind(stack, input_size, output_size, encoder, attention, bridged)
