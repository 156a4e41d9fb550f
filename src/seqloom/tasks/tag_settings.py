"""The settings of the task `tag`, and the presets of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, create_model, field_validator, model_validator

from seqloom.config import Settings
from seqloom.data.readers.conll import Target
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.data.word_vocabularies import VocabularySettings
from seqloom.errors import RequestError
from seqloom.models.tagger import TaggerSettings
from seqloom.nn.layer import Family, layers


class DataSettings(Settings):
    columns: ColumnChoice = columns_field(("word", "tag"))
    target: Target = Field(
        "auto",
        description="the column that is predicted: its number, from 1, or its name in CoNLL-U; auto: the last, in "
        "CoNLL-U upos",
    )
    auxiliary: tuple[Target, ...] = Field(
        (),
        validate_default=False,
        description="other columns, such as 2 or xpos,deprel, that the network learns to predict too, for what they "
        "teach it about the words (multi-task learning); only training reads them",
    )
    features: tuple[Target, ...] = Field(
        (),
        validate_default=False,
        description="columns with features of the words, such as 2 or upos, that the network reads: predictions need "
        "them too",
    )
    raw: str = Field(
        "",
        description="a text of sentences without tags, one on each line, whose words are read in training too, for the "
        "language model that the network then learns to be (language_model_weight)",
    )
    tokens_per_batch: int = Field(
        800, gt=0, le=2**31, description="largest number of words or steps in a batch with padding"
    )
    longest_piece: int = Field(
        1_000, ge=0, le=2**31, description="numbers: training cuts longer sequences into pieces; 0: never"
    )

    @field_validator("target")
    @classmethod
    def _counts_from_one(cls, target: Target) -> Target:
        if isinstance(target, int) and target < 1:
            raise ValueError("the number of a column, from 1")
        return target

    @field_validator("raw")
    @classmethod
    def _is_read_again(cls, raw: str) -> str:
        if raw == "-":
            raise ValueError("the name of a file, which is read several times")
        return raw

    @field_validator("auxiliary", "features", mode="before")
    @classmethod
    def _separated(cls, columns: object) -> object:
        return columns if isinstance(columns, list | tuple) else [part.strip() for part in str(columns).split(",")]

    @field_validator("auxiliary", "features")
    @classmethod
    def _are_columns(cls, columns: tuple[Target, ...]) -> tuple[Target, ...]:
        numbered = tuple(int(c) if isinstance(c, str) and c.isdigit() else c for c in columns)
        if any(column in (0, "", "auto") for column in numbered) or len(set(numbered)) < len(numbered):
            raise ValueError("different columns by number, from 1, or name")
        return numbered


class TagSettings(TaggerSettings):
    data: DataSettings = DataSettings()
    vocabulary: VocabularySettings = VocabularySettings()

    @model_validator(mode="after")
    def _raw_text_is_learnt(self) -> TagSettings:
        if self.data.raw and not self.language_model_weight:
            raise RequestError(
                "only a language model learns from sentences without tags", where="data.raw",
                expected="a language_model_weight above 0",
            )  # fmt: skip
        return self


_RECURRENT: dict[str, Any] = {
    "model.hidden_size": 200,
    "model.num_layers": 1,
    "training.learning_rate": 3e-3,
}
_TRANSFORMER: dict[str, Any] = {
    "model.model_dim": 128,
    "model.num_layers": 2,
    "model.dropout": 0.1,
    "input_dropout": 0.2,
    "output_dropout": 0.2,
    "training.learning_rate": 1e-3,
    "training.warmup": 0.1,
}
_MEMORY: dict[str, Any] = {"model.hidden_size": 200, "model.memory_size": 32, "training.learning_rate": 2e-3}
_WINDOW: dict[str, Any] = {"training.learning_rate": 1e-3}
_CONVOLUTIONAL: dict[str, Any] = {"model.hidden_size": 200, "model.dropout": 0.1, "training.learning_rate": 1e-3}
_RECURRENT_OF_WORDS: dict[str, Any] = {"training.learning_rate": 8e-3}
_LANGUAGE_MODEL: dict[str, Any] = {"language_model_weight": 0.3}
_OF_NUMBERS: dict[str, Any] = {"data.tokens_per_batch": 4_000, "input_dropout": 0.1, "output_dropout": 0.2}
OF_WORDS = (
    "vocabulary.",
    "words.",
    "characters.",
    "data.target",
    "data.auxiliary",
    "data.features",
    "data.raw",
    "auxiliary_weight",
    "language_model_weight",
)
OF_NUMBERS = ("frames.", "data.longest_piece")
"""How the names of settings begin that only one kind of data needs."""
WINDOW: Final = "ffnn"
"""The layer that reads a few steps."""
_PRESETS: dict[Family, dict[str, Any]] = {
    "recurrent": _RECURRENT,
    "transformer": _TRANSFORMER,
    "convolutional": _CONVOLUTIONAL,
    "memory": _MEMORY,
    "window": _WINDOW,
}


def settings_of(model: str) -> type[TagSettings]:
    """The settings class of a model, without those of training."""
    model_settings = layers[model].settings
    return create_model("TagSettings", __base__=TagSettings, model=(model_settings, model_settings()))


def preset_of(model: str, data: Literal["words", "numbers"], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """Numbers differ from step to step less than words do: larger batches, and less is dropped of them."""
    preset = _PRESETS[layers[model].family]
    if data == "numbers":
        return {**preset, **_OF_NUMBERS}
    if layers[model].family == "recurrent":
        preset = preset | _RECURRENT_OF_WORDS
    return {**preset, **_LANGUAGE_MODEL} if _learns_words(model, overrides) else preset


def _learns_words(model: str, overrides: Mapping[str, Any]) -> bool:
    """Whether a language model is learnt by default: with raw text, and by the recurrent layers that can."""
    reads_one_way = layers[model].causal or str(overrides.get("model.num_layers", 1)) == "1"
    return bool(overrides.get("data.raw")) or (layers[model].family == "recurrent" and reads_one_way)
