"""The settings of the task `transcribe`, and those that do well with its models."""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import Field, create_model, model_validator

from seqloom.config import Settings
from seqloom.data.sound.augmentation import AugmentSettings
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom.data.sound.transcripts import TranscriptSettings
from seqloom.errors import RequestError
from seqloom.models.attentional_transcriber import (
    ATTENTION,
    attentional_settings,
    transcriber_architectures,
)
from seqloom.models.fitted import FittedSettings
from seqloom.models.transcriber import TranscriberSettings
from seqloom.models.utterance_svm import SvmSettings
from seqloom.nn.layer import Family, layers


class DataSettings(Settings):
    frames_per_batch: int = Field(4_000, gt=0, le=2**31, description="most log-mel frames in a batch, padding included")
    recordings_per_batch: int = Field(32, gt=0, le=2**20, description="most recordings, or joined ones, in a batch")
    max_seconds: float = Field(40.0, gt=0, description="longest recording that is trained on")
    skip_bad: bool = Field(False, description="skip recordings that cannot be read, with a count; else they are errors")
    speaker_independent: bool = Field(
        False, description="hold out whole speakers instead of single recordings, and compare models by speaker"
    )


class LanguageSettings(Settings):
    order: int = Field(
        3, ge=0, le=16, description="words in the longest n-gram of the language model that a search uses; 0: none"
    )
    text: str = Field("", description="a text file whose lines the language model learns from too")
    words: str = Field("", description="a file of words, one a line: no other words are written")


class DecodingSettings(Settings):
    beam_size: int = Field(
        8, gt=0, le=1_000, description="hypotheses of the search; 1 is greedy, without a language model"
    )
    pause_seconds: float = Field(0.5, gt=0, description="a longer pause ends an utterance")
    segment_seconds: float = Field(
        20.0, gt=1, description="longer recordings are read in pieces, cut where they are quiet"
    )
    overlap_seconds: float = Field(2.0, ge=0, description="what is read on both sides of a piece too")


class CommonSettings(Settings):
    """What all models of the task have."""

    features: FeatureSettings = FeatureSettings()
    tokenizer: TranscriptSettings = TranscriptSettings()
    data: DataSettings = DataSettings()
    augment: AugmentSettings = AugmentSettings()
    decoding: DecodingSettings = DecodingSettings()

    @model_validator(mode="after")
    def _subtracts_no_filter(self) -> Self:
        filter_db, without = self.augment.filter_db, AugmentSettings().filter_db
        if self.features.subtract == "bands" and filter_db != without:
            raise RequestError(
                "the setting changes nothing: filters are drawn only with features.subtract=smooth",
                where="augment.filter_db",
                got=filter_db,
                expected="features.subtract=smooth, or no change of the filter",
            )
        return self


class SvmTranscribeSettings(FittedSettings):
    """Those of the baseline: there is nothing to train by gradients, to augment or to search."""

    features: FeatureSettings = FeatureSettings()
    tokenizer: TranscriptSettings = TranscriptSettings()
    data: DataSettings = DataSettings()
    model: SvmSettings = SvmSettings()


class TranscribeSettings(CommonSettings, TranscriberSettings):
    language: LanguageSettings = LanguageSettings()
    model: Settings


_TRAINING: dict[str, Any] = {"training.average": 0.99}
_SIZES: dict[Family, dict[str, Any]] = {
    "recurrent": {"hidden_size": 128, "num_layers": 2},
    "transformer": {"model_dim": 128, "num_layers": 3, "feed_forward_size": 256, "dropout": 0.1},
    "convolutional": {"hidden_size": 192, "num_layers": 5, "dropout": 0.1},
    "memory": {"hidden_size": 128, "memory_size": 32},
    "window": {},
}
_RATES: dict[Family, float] = {
    "recurrent": 4e-3, "transformer": 1.5e-3, "convolutional": 3e-3, "memory": 2e-3, "window": 1e-3
}  # fmt: skip


SVM: Final = "svm"


def settings_of(model: str) -> type[Settings]:
    """The class of all settings of a model, but for those of training."""
    if model == SVM:
        return SvmTranscribeSettings
    if model.endswith(ATTENTION):
        bases: Any = (CommonSettings, attentional_settings(transcriber_architectures()[model]))
        return create_model("TranscribeSettings", __base__=bases)
    layer_settings = layers[model].settings
    return create_model("TranscribeSettings", __base__=TranscribeSettings, model=(layer_settings, layer_settings()))


def preset_of(model: str) -> dict[str, Any]:
    """What a model starts from. A layer that reads forward hears no later frames: the mean that it subtracts is that of
    what it heard so far."""
    if model == SVM:
        return {}
    layer, attends = model.removesuffix(ATTENTION), model.endswith(ATTENTION)
    family = layers[layer].family
    preset = {f"{'encoder' if attends else 'model'}.{name}": value for name, value in _SIZES[family].items()}
    preset |= _TRAINING | {"training.learning_rate": _RATES[family]}
    if attends:
        decoder = (
            {"model_dim": 128, "num_layers": 2} if family == "transformer" else {"hidden_size": 128, "num_layers": 1}
        )
        preset |= {f"decoder.{name}": value for name, value in decoder.items()}
        preset |= {"embedding.dim": 128, "embedding.dropout": 0.2, "output.dropout": 0.2, "output.label_smoothing": 0.1}
        preset["training.learning_rate"] = min(_RATES[family], 2e-3)
    if family == "transformer":
        preset["training.warmup"] = 0.1
    return preset | ({"features.normalise": "running"} if layers[layer].causal else {})
