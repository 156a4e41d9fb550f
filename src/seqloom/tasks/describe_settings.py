"""The settings of the task `describe`, and the presets of its models."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from seqloom.data.descriptions import DescriptionTokenizerSettings, VectorSettings
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.models.architecture import EncoderDecoderSettings
from seqloom.tasks.transduction import SearchSettings


class DataSettings(VectorSettings):
    columns: ColumnChoice = columns_field(("text",))
    elements_per_batch: int = Field(4_000, gt=0, le=2**31, description="most tokens or steps in a batch, with padding")
    examples_per_batch: int = Field(32, gt=0, le=2**20, description="most examples in a batch")


class DecodingSettings(SearchSettings):
    max_length: int = Field(
        0, ge=0, description="the most tokens of a text; 0: half as many again as the longest of the training data"
    )
    validation_examples: int = Field(500, ge=0, description="examples that are decoded at each validation; 0: all")


class DescribeSettings(EncoderDecoderSettings):
    tokenizer: DescriptionTokenizerSettings = DescriptionTokenizerSettings()
    data: DataSettings = DataSettings()
    decoding: DecodingSettings = DecodingSettings()


RECURRENT: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.1,
    "encoder.hidden_size": 128,
    "encoder.num_layers": 1,
    "decoder.hidden_size": 128,
    "decoder.num_layers": 1,
    "output.skip_connection": True,
    "output.dropout": 0.2,
    "data.noise": 0.2,
    "training.learning_rate": 3e-3,
    "training.average": 0.99,
}
TRANSFORMER: dict[str, Any] = {
    "embedding.dim": 128,
    "encoder.model_dim": 128,
    "encoder.num_layers": 2,
    "encoder.feed_forward_size": 256,
    "encoder.dropout": 0.1,
    "decoder.model_dim": 128,
    "decoder.num_layers": 2,
    "decoder.feed_forward_size": 256,
    "decoder.dropout": 0.1,
    "data.noise": 0.2,
    "training.learning_rate": 1e-3,
    "training.warmup": 0.05,
    "training.average": 0.99,
}
