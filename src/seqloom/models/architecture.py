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
    with the settings `attention`; a Transformer always attends, and has no such settings."""

    encoder: str
    decoder: str
    attends: bool = False


class EncoderDecoderSettings(Settings):
    """The settings of every encoder-decoder; `setting_fields` adds the others. `embedding` applies to source and
    target."""

    embedding: EmbeddingSettings = EmbeddingSettings()
    output: OutputSettings = OutputSettings()


def architectures() -> Mapping[str, Architecture]:
    """Every model name. With attention the encoder is bidirectional (Bahdanau et al. 2015, section 3.2)."""
    by_name = {"transformer": Architecture("bitransformer", "transformer")}
    for cell in (name for name in layers if f"bi{name}" in layers and name != "transformer"):
        both = f"bi{cell}"
        by_name |= {cell: Architecture(cell, cell), both: Architecture(both, cell)}
        by_name |= {f"{name}+attention": Architecture(both, cell, attends=True) for name in (cell, both)}
    return by_name


def architecture(name: str) -> Architecture:
    """Raises RequestError with the nearest name where there is none."""
    known = architectures()
    if name not in known:
        raise unknown_name("model", name, known)
    return known[name]


def describe_architecture(chosen: Architecture) -> Description:
    """What the model is, in one sentence, and the paper that it comes from."""
    if issubclass(layers[chosen.decoder], Transformer):
        text = "A Transformer encoder reads the source, a causal Transformer writes the target."
        return Description(text, "Vaswani et al. 2017")
    reads = f"An encoder-decoder: {chosen.encoder} reads the source, {chosen.decoder} writes the target"
    if chosen.attends:
        return Description(f"{reads} with attention.", "Bahdanau et al. 2015; Luong et al. 2015")
    return Description(f"{reads}.", "Sutskever et al. 2014; Cho et al. 2014")


def setting_fields(chosen: Architecture) -> dict[str, Any]:
    """The groups `encoder`, `decoder` and, where it has them, `attention`: fields for pydantic's `create_model`."""
    groups = {"encoder": layers[chosen.encoder].settings, "decoder": _decoder_settings(chosen.decoder)}
    if chosen.attends:
        groups["attention"] = AttentionSettings
    return {name: (group, group()) for name, group in groups.items()}


def network_settings(chosen: Architecture) -> type[EncoderDecoderSettings]:
    """The class of all settings of a network."""
    return create_model("NetworkSettings", __base__=EncoderDecoderSettings, **setting_fields(chosen))


def _decoder_settings(layer: str) -> type[Settings]:
    layer_settings = layers[layer].settings
    changed: dict[str, Any] = {}
    if "initial_state" in layer_settings.model_fields:
        start = Field("summary", description="initial hidden state: computed from the summary of the source, or zeros")
        changed["initial_state"] = (Literal["summary", "zeros"], start)
    return create_model(f"{layer_settings.__name__}OfDecoder", __base__=(DecoderSettings, layer_settings), **changed)


def build_decoder(chosen: Architecture, input_size: int, encoder: Encoder, settings: EncoderDecoderSettings) -> Decoder:
    """`settings` are of the class `network_settings(chosen)`, or have its fields."""
    groups, layer = cast(Any, settings), layers[chosen.decoder]
    decoder_settings = groups.decoder
    if issubclass(layer, Transformer):
        return TransformerDecoder(input_size, encoder, decoder_settings)
    bridged, output_size = decoder_settings.initial_state == "summary", decoder_settings.hidden_size

    def stack(size: int) -> SequenceLayer:
        values = {name: getattr(decoder_settings, name) for name in layer.settings.model_fields}
        return layer(size, layer.settings(**values | {"initial_state": "zeros"}))

    if not chosen.attends:
        return ContextDecoder(stack, input_size, encoder.summary_size, bridged)
    attention = cast(AttentionSettings, groups.attention)
    kind = InputFeedingDecoder if attention.input_feeding else AttentionalDecoder
    return kind(stack, input_size, output_size, encoder, attention, bridged)
