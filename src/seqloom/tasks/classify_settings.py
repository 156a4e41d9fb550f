"""The settings of the task `classify`, and the presets of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, create_model, model_validator

from seqloom.config import Settings, needs, replaced_by
from seqloom.data.sampling_settings import SamplingSettings
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.data.targets import TargetKind
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.data.truncation import Truncation
from seqloom.errors import RequestError, unknown_name
from seqloom.models.bag_of_words import BagSettings
from seqloom.models.classifier import NetworkSettings, layout, layouts, setting_fields

BOW: Final = "bow"


class TextSettings(TokenizerSettings):
    lowercase: bool = Field(
        True, description="convert the text to lowercase", json_schema_extra=replaced_by("file", "function")
    )
    punctuation: bool = Field(
        True, description="word tokenizer: punctuation marks are separate tokens",
        json_schema_extra=replaced_by("file", "function") | needs(kind=["word"]),
    )  # fmt: skip


class DataSettings(SamplingSettings):
    columns: ColumnChoice = columns_field(("label", "text"))
    target: TargetKind = Field(
        "class",
        description="what is predicted: a class; any number of labels, each with its own probability; or a number",
    )
    label_separator: str = Field(
        "",
        max_length=8,
        description="what separates several labels; empty: the first of | ; , or whitespace that occurs",
    )
    tokens_per_batch: int = Field(
        8_000, gt=0, le=2**31, description="largest number of tokens, or steps of numbers, in a batch with padding"
    )
    examples_per_batch: int = Field(
        0, ge=0, le=2**20, description="largest number of examples in a batch; 0: a twentieth of the data, from 8 to 32"
    )
    max_length: int = Field(0, ge=0, description="largest number of tokens of a text that are read; 0: all")
    max_steps: int = Field(0, ge=0, description="largest number of steps of a sequence that are read; 0: all")
    long: Literal["start", "end", "both", "stream"] = Field(
        "both",
        description="the part of a longer sequence that is read: its start, its end, half of each; stream: all of it, "
        "in chunks of that length, with the state carried along and gradients truncated between chunks",
    )
    vector: Literal["channels", "steps"] = Field(
        "channels", description="a row of a table is one step of many channels, or many steps of one number"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes count as much as frequent ones in training"
    )
    sampling: Literal["all", "balanced"] = Field(
        "all",
        description="the examples of an epoch: all; balanced: as many of each class, rare ones repeated",
    )


class ClassifySettings(Settings):
    tokenizer: TextSettings = TextSettings()
    data: DataSettings = DataSettings()

    @model_validator(mode="after")
    def _target_has_these_settings(self) -> ClassifySettings:
        target = self.data.target
        if self.data.label_separator and target != "labels":
            raise _of_another_target("data.label_separator", self.data.label_separator, "labels")
        if target == "number" and self.data.class_weights != "none":
            raise _of_another_target("data.class_weights", self.data.class_weights, "class or labels")
        if self.data.sampling == "balanced" and target != "class":
            raise _of_another_target("data.sampling", "balanced", "class")
        if self.data.sampling == self.data.class_weights == "balanced":
            raise RequestError(
                "the classes would be balanced twice",
                where="data.sampling, data.class_weights",
                got="balanced, balanced",
                expected="one of them",
            )
        for group in ("output", "model"):  # the bag of words has it among those of the model
            smoothing = getattr(getattr(self, group, None), "label_smoothing", 0.0)
            if target == "number" and smoothing:
                raise _of_another_target(f"{group}.label_smoothing", smoothing, "class or labels")
        return self


def _of_another_target(name: str, value: object, target: str) -> RequestError:
    return RequestError("the setting is for another target", where=name, got=value, expected=f"target={target}")


class WholeSettings(ClassifySettings):
    """The settings of a model that needs the whole sequence at once."""

    @model_validator(mode="after")
    def _is_not_streamed(self) -> WholeSettings:
        if self.data.long == "stream":
            raise RequestError(
                "a model that needs the whole sequence at once cannot be streamed",
                where="data.long",
                got="stream",
                expected="start, end or both; or a model that reads forward in time: gru, lstm, mingru, rnn",
            )
        return self


_RECURRENT: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.3,
    "model.hidden_size": 128,
    "model.num_layers": 1,
    "output.dropout": 0.3,
    "data.max_length": 512,
    "training.learning_rate": 3e-3,
}
_MEMORY: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.3,
    "model.hidden_size": 128,
    "model.memory_size": 32,
    "output.dropout": 0.3,
    "data.max_length": 512,
    "training.learning_rate": 2e-3,
}
_TRANSFORMER: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.3,
    "model.model_dim": 128,
    "model.num_layers": 2,
    "model.feed_forward_size": 256,
    "model.dropout": 0.2,
    "output.dropout": 0.3,
    "data.max_length": 512,
    "training.learning_rate": 1e-3,
    "training.warmup": 0.05,
}
_CONVOLUTIONAL: dict[str, Any] = {
    "embedding.dim": 300,
    "embedding.dropout": 0.5,
    "embedding.word_dropout": 0.1,
    "model.num_layers": 1,
    "model.kernel_size": 3,
    "output.dropout": 0.5,
    "data.max_length": 512,
    "training.learning_rate": 2e-3,
    "training.average": 0.99,
}
_CONVOLUTIONAL_WITH_VECTORS: dict[str, Any] = {
    "embedding.dropout": 0.3,
    "model.kernel_size": 5,
    "model.hidden_size": 256,
}
_OF_NUMBERS: dict[str, Any] = {
    "embedding.dim": 16,
    "embedding.dropout": 0.0,
    "model.hidden_size": 64,
    "output.dropout": 0.0,
    "training.learning_rate": 3e-3,
}
_CONVOLUTIONAL_OF_NUMBERS: dict[str, dict[str, Any]] = {
    "cnn": _OF_NUMBERS | {"model.num_layers": 4, "model.kernel_size": 9},
    "tcn": _OF_NUMBERS | {"model.num_layers": 5},
}
_FEED_FORWARD: dict[str, Any] = {
    "embedding.dim": 256,
    "embedding.dropout": 0.3,
    "training.learning_rate": 2e-3,
}
_BAG: dict[str, Any] = {
    "data.tokens_per_batch": 20_000,
    "data.examples_per_batch": 64,
    "training.learning_rate": 0.03,
    "training.weight_decay": 0.0,
    "training.patience": 5,
}
_BAG_OF_CHARACTERS: dict[str, Any] = {
    "model.order": 4,
    # A step of the optimizer changes all weights, of which many classes have many: few large steps.
    "data.tokens_per_batch": 80_000,
    "data.examples_per_batch": 512,
}


def settings_of(model: str) -> type[ClassifySettings]:
    """The settings class of a model, without those of training."""
    if model == BOW:
        return create_model("ClassifySettings", __base__=WholeSettings, model=(BagSettings, BagSettings()))
    if model not in layouts():
        raise unknown_name("model", model, [BOW, *layouts()])
    model_layout = layout(model)
    base = ClassifySettings if model_layout.streams else WholeSettings
    bases: Any = (NetworkSettings, base)
    return create_model("ClassifySettings", __base__=bases, **setting_fields(model_layout))


def preset_of(
    model: str, data: Literal["text", "characters", "numbers"], with_vectors: bool = False
) -> Mapping[str, Any]:
    """The preset of a model. `characters`: texts are read character by character, where uppercase carries information.
    `with_vectors`: the embedding is pretrained."""
    written: dict[str, Any] = {"tokenizer.lowercase": False} if data == "characters" else {}
    if model == BOW:
        return _BAG | written | (_BAG_OF_CHARACTERS if data == "characters" else {})
    model_layout = layout(model)
    if not model_layout.layer:
        pool = {} if model_layout.attends else {"output.pool": "mean"}
        return _FEED_FORWARD | pool | written
    if model_layout.layer in _CONVOLUTIONAL_OF_NUMBERS:
        if data == "numbers":
            return _CONVOLUTIONAL_OF_NUMBERS[model_layout.layer]
        return _CONVOLUTIONAL | written | (_CONVOLUTIONAL_WITH_VECTORS if with_vectors else {})
    by_layer = {"bitransformer": _TRANSFORMER, "ntm": _MEMORY}
    return by_layer.get(model_layout.layer, _RECURRENT) | written


OF_TEXTS = ("tokenizer.", "data.max_length", "data.bpe_dropout", "data.unigram_sampling", "embedding.word_dropout")
OF_NUMBERS = ("data.max_steps", "data.vector")
"""How the names of settings begin that only one kind of data needs."""


def check_limit(settings: ClassifySettings, text: bool) -> None:
    """Raises RequestError where a part of long sequences is chosen, but all of each is read."""
    limit = "max_length" if text else "max_steps"
    if settings.data.long != "both" and not getattr(settings.data, limit):
        raise RequestError(
            "the setting changes nothing",
            where="data.long",
            got=f"{settings.data.long} with data.{limit}=0",
            expected=f"also another value of data.{limit}",
        )


def cut_of(settings: ClassifySettings, text: bool) -> Truncation:
    """The part of long sequences that is read."""
    data = settings.data
    if data.long == "stream":
        return Truncation()
    return Truncation(data.max_length if text else data.max_steps, data.long)


def chunk_size_of(settings: ClassifySettings, text: bool) -> int:
    """The number of elements that are read at a time; 0 is all."""
    data = settings.data
    return (data.max_length if text else data.max_steps) if data.long == "stream" else 0
