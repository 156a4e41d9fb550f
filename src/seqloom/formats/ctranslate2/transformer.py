"""CTranslate2's specifications of Transformers, built from the parameters of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.data.tokenizer import EOS, SOS, SPECIALS, UNK
from seqloom.errors import RequestError
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.language_model import LanguageModel
from seqloom.models.transformer_decoder import SourceAttention, TransformerDecoder
from seqloom.nn.attention.multi_head import SelfAttention
from seqloom.nn.embedding import TokenEmbedding
from seqloom.nn.layers.transformer import BidirectionalTransformer, Block, BlockStack, Transformer
from seqloom.nn.output import FullSoftmax, OutputLayer

Array = NDArray[np.float32]

_COMMON: dict[str, Any] = {
    "pre_norm": True,
    "activation": common_spec.Activation.GELU,
    "rotary_dim": 0,
    "rotary_interleave": False,
}
"""The options of our blocks: pre-norm, and rotary positions that rotate the first half of a vector with the second."""


def translator_spec(
    model: EncoderDecoder, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> transformer_spec.TransformerSpec:
    """The specification of a translator. Raises RequestError if CTranslate2 cannot represent the network; the message
    names a setting that helps."""
    decoder, layer = model.decoder, model.encoder.layer
    if not isinstance(decoder, TransformerDecoder) or not isinstance(layer, BidirectionalTransformer):
        raise _no_transformer(type(decoder).__name__)
    if not isinstance(model.encoder.read, TokenEmbedding):
        raise RequestError("CTranslate2 needs token ids as input", got="frames of numbers")
    _check(decoder.stack, model.output)
    heads = decoder.stack.num_heads
    encoder_spec = transformer_spec.TransformerEncoderSpec(len(layer.blocks), _heads_of(layer), **_COMMON)
    decoder_spec = transformer_spec.TransformerDecoderSpec(len(decoder.stack.blocks), heads, **_COMMON)
    encoder_spec.scale_embeddings = False
    encoder_spec.embeddings[0].weight = _embedding(model.encoder.read, layer)
    _set_blocks(encoder_spec, layer)
    _set_decoder(decoder_spec, decoder.stack, model.embedding, model.output)
    for part, attention in zip(decoder_spec.layer, decoder.to_source, strict=True):
        assert isinstance(attention, SourceAttention)
        cross = attention.attention
        _set_norm(part.attention.layer_norm, attention.norm)
        part.attention.linear[0].weight = _array(cross.project_query.weight)
        part.attention.linear[1].weight = np.concatenate(
            [_array(cross.project_key.weight), _array(cross.project_value.weight)]
        )
        part.attention.linear[2].weight = _array(cross.project_out.weight)
    spec = transformer_spec.TransformerSpec(encoder_spec, decoder_spec)
    spec.register_source_vocabulary(list(source_tokens))
    spec.register_target_vocabulary(list(target_tokens))
    _set_special_tokens(spec.config)
    spec.config.decoder_start_token = SPECIALS[SOS]
    return spec


def language_model_spec(
    model: LanguageModel, tokens: Sequence[str], first_input: int
) -> transformer_spec.TransformerDecoderModelSpec:
    """The specification of a language model. `first_input`: the id that precedes a text. Raises RequestError as
    `translator_spec`."""
    layer = model.layer
    if not isinstance(layer, Transformer):
        raise _no_transformer(type(layer).__name__)
    _check(layer, model.output)
    decoder = transformer_spec.TransformerDecoderSpec(
        len(layer.blocks), layer.num_heads, with_encoder_attention=False, **_COMMON
    )
    _set_decoder(decoder, layer, model.embedding, model.output)
    spec = transformer_spec.TransformerDecoderModelSpec(decoder)
    spec.register_vocabulary(list(tokens))
    _set_special_tokens(spec.config)
    spec.config.bos_token = SPECIALS[first_input]
    return spec


def write_spec(spec: Any, folder: Path, int8: bool) -> None:
    """Writes `model.bin`, `config.json` and the vocabularies. Writing changes the spec, so it can be written only
    once."""
    spec.validate()
    spec.optimize(quantization="int8" if int8 else None)
    spec.save(str(folder))


def _no_transformer(name: str) -> RequestError:
    return RequestError(
        "CTranslate2 runs Transformers only",
        got=name,
        expected="a translator or a language model of the model transformer",
        hint="--to onnx exports every network",
    )


def _check(stack: Transformer, output: OutputLayer) -> None:
    if not isinstance(output.softmax, FullSoftmax):
        raise RequestError(
            "CTranslate2 has no adaptive softmax",
            where="output.kind",
            got="adaptive",
            expected="full",
            hint="train with --set output.kind=full, or export with --to onnx",
        )
    if output.skip_connection:
        raise RequestError(
            "CTranslate2 has no skip connection to the output layer",
            where="output.skip_connection",
            got=True,
            expected=False,
            hint="export with --to onnx",
        )
    if stack.window:
        raise RequestError(
            "the window of CTranslate2 differs from the network's",
            where="model.window",
            got=stack.window,
            expected=0,
            hint="train a language model with --set data.mode=lines, or export with --to onnx",
        )


def _heads_of(stack: BlockStack) -> int:
    first = stack.blocks[0]
    assert isinstance(first, Block)
    return first.attention.num_heads


def _array(tensor: Tensor) -> Array:
    """A copy, since the converter overwrites its input."""
    return tensor.detach().cpu().float().numpy().copy()


def _embedding(embedding: TokenEmbedding, stack: BlockStack) -> Array:
    """The embedding table, multiplied by the linear map after it, if there is one."""
    table, project = _array(embedding.table.weight), stack.project
    if isinstance(project, nn.Identity):
        return table
    return (table.astype(np.float64) @ _array(project.weight).T + _array(project.bias)).astype(np.float32)


def _projection(output: OutputLayer) -> Array:
    """The matrix of the softmax, multiplied by the linear map before it, if there is one."""
    weight = _array(output.softmax.weight)
    if isinstance(output.project, nn.Identity):
        return weight
    return (weight.astype(np.float64) @ _array(output.project.weight)).astype(np.float32)


def _set_decoder(spec: Any, stack: Transformer, embedding: TokenEmbedding, output: OutputLayer) -> None:
    spec.scale_embeddings = False
    spec.embeddings.weight = _embedding(embedding, stack)
    _set_blocks(spec, stack)
    spec.projection.weight, spec.projection.bias = _projection(output), _array(output.softmax.bias)


def _set_blocks(spec: Any, stack: BlockStack) -> None:
    _set_norm(spec.layer_norm, stack.norm)
    for part, block in zip(spec.layer, stack.iter_blocks(), strict=True):
        _set_norm(part.self_attention.layer_norm, block.attention_norm)
        _set_attention(part.self_attention, block.attention)
        first, _, second = block.net
        _set_norm(part.ffn.layer_norm, block.net_norm)
        _set_linear(part.ffn.linear_0, first)
        _set_linear(part.ffn.linear_1, second)


def _set_attention(spec: Any, attention: SelfAttention) -> None:
    """Both formats keep queries, keys and values in one matrix."""
    spec.linear[0].weight = _array(attention.project_in.weight)
    spec.linear[1].weight = _array(attention.project_out.weight)


def _set_norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _set_linear(spec: Any, linear: nn.Module) -> None:
    assert isinstance(linear, nn.Linear)
    spec.weight, spec.bias = _array(linear.weight), _array(linear.bias)


def _set_special_tokens(config: Any) -> None:
    config.bos_token, config.eos_token, config.unk_token = SPECIALS[SOS], SPECIALS[EOS], SPECIALS[UNK]
    config.layer_norm_epsilon = 1e-5
