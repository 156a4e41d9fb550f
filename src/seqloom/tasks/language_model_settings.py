"""The settings of the task `language-model`, and the presets of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from seqloom.config import Settings, needs
from seqloom.data.sampling_settings import SamplingSettings
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.errors import RequestError
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.output import OutputSettings


class DataSettings(SamplingSettings):
    columns: ColumnChoice = columns_field(("text",))
    mode: Literal["stream", "lines"] = Field(
        "stream", description="stream: one long text with the state carried along; lines: each line by itself"
    )
    batch_size: int = Field(
        20, gt=0, le=2**20, description="stream: parallel streams", json_schema_extra=needs(mode=["stream"])
    )
    horizon: int = Field(
        35, gt=0, le=2**20, description="stream: steps that gradients reach back (k2)",
        json_schema_extra=needs(mode=["stream"]),
    )  # fmt: skip
    advance: int = Field(
        0, ge=0, le=2**20, description="stream: new steps per batch (k1); 0: as many as the horizon",
        json_schema_extra=needs(mode=["stream"]),
    )  # fmt: skip
    tokens_per_batch: int = Field(
        1_000, gt=0, le=2**31, description="lines: largest number of tokens in a batch",
        json_schema_extra=needs(mode=["lines"]),
    )  # fmt: skip
    noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="from the fifth epoch on, replace tokens and what follows them at random, most often those that "
        "many different tokens follow (Kneser-Ney noise), against over-fitting",
    )


class LanguageModelSettings(Settings):
    tokenizer: TokenizerSettings = TokenizerSettings()
    data: DataSettings = DataSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    output: OutputSettings = OutputSettings()
    model: Settings

    @model_validator(mode="after")
    def _gradients_reach_what_is_new(self) -> LanguageModelSettings:
        if self.data.advance > self.data.horizon:
            raise RequestError(
                "a batch cannot have more new steps than gradients reach back",
                where="data.advance",
                got=self.data.advance,
                expected=f"at most data.horizon, {self.data.horizon}",
            )
        return self

    @model_validator(mode="after")
    def _only_lines_are_segmented_anew(self) -> LanguageModelSettings:
        for name in SamplingSettings.model_fields:
            if self.data.mode == "stream" and getattr(self.data, name):
                raise RequestError(
                    "along a stream, words are not segmented anew",
                    where=f"data.{name}",
                    got=getattr(self.data, name),
                    expected="data.mode=lines",
                )
        return self

    @model_validator(mode="after")
    def _memory_is_bounded(self) -> LanguageModelSettings:
        if self.data.mode == "stream" and getattr(self.model, "window", None) == 0:
            raise RequestError(
                "along a stream, the cache of all previous elements would grow without end",
                where="model.window",
                got=0,
                expected="1 or more",
                hint="set it, or train on lines with data.mode=lines",
            )
        return self


_TRAINING: dict[str, Any] = {"training.decay": 0.5}
"""The preset of every network: texts are read many times, and a high rate for longer over-fits sooner (LOG.md)."""
_RECURRENT = {
    "embedding.dim": 320,
    "model.hidden_size": 512,
    "model.num_layers": 1,
    "output.skip_connection": True,
}
_DROPOUT = {"embedding.dropout": 0.25, "output.dropout": 0.3}
PRESETS: dict[str, dict[str, Any]] = {
    "ar": {"model.output_size": 256, "training.learning_rate": 2e-3},
    "ffnn": {"training.learning_rate": 2e-3, "model.dropout": 0.2},
    "nnlm": {"output.tied": False, "training.learning_rate": 2e-3, "model.dropout": 0.2},
    "rnn": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 1e-3},
    "gru": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 3e-3},
    "lstm": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 4e-3},
    "mingru": {**_RECURRENT, **_DROPOUT, "training.learning_rate": 4e-3},
    "ntm": {
        "embedding.dim": 128,
        "model.hidden_size": 256,
        "model.memory_size": 32,
        **_DROPOUT,
        "training.learning_rate": 2e-3,
    },
    "transformer": {
        "model.num_layers": 2,
        "model.dropout": 0.1,
        "output.dropout": 0.1,
        "data.horizon": 64,
        "data.batch_size": 16,
        "training.learning_rate": 1e-3,
    },
}
"""The presets of the models. The LSTM's was found on Penn Treebank words (LOG.md has what failed); others follow it."""

_CHARACTERS: dict[str, dict[str, Any]] = {
    name: {
        "embedding.dim": 64,
        "embedding.dropout": 0.0,
        "output.dropout": 0.0,
        "output.tied": False,
        "data.batch_size": 32,
        "data.horizon": 64,
    }
    for name in ("rnn", "gru", "lstm", "mingru", "ntm")
} | {
    "ar": {"embedding.dim": 64, "output.tied": False, "model.order": 9},
    "ffnn": {"embedding.dim": 64, "output.tied": False, "model.order": 17},
    "nnlm": {"embedding.dim": 64, "model.order": 17},
}
"""Changes of the preset for character tokenizers: few tokens, so embeddings are small and the hidden state is large."""

_NOISE = 0.2
"""`data.noise` of networks over words and subwords; of characters it was not measured."""

CLEAN_EPOCHS = 4
"""The epochs before the noise begins, in which a text still has more to teach than there is to smooth: noise from the
beginning costs where a training ends before the fifth epoch, and gains no more in a long one (LOG.md)."""

_STREAM_WINDOW = 64


def network_preset(model: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    preset = _TRAINING | PRESETS[model]
    if overrides.get("tokenizer.kind") == "character":
        preset |= _CHARACTERS.get(model, {})
    else:
        preset["data.noise"] = _NOISE
    if model == "transformer" and overrides.get("data.mode") != "lines":
        # The cache of a Transformer would grow without end along a stream.
        preset["model.window"] = _STREAM_WINDOW
    return preset
