"""The settings of the task `translate`, and the presets of its models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from seqloom.config import needs
from seqloom.data.pairs import PairTokenizerSettings
from seqloom.data.sampling_settings import SamplingSettings
from seqloom.data.tables.columns import ColumnChoice, columns_field
from seqloom.models.architecture import EncoderDecoderSettings
from seqloom.tasks.transduction import SearchSettings


class DataSettings(SamplingSettings):
    tokens_per_batch: int = Field(
        2_000, gt=0, le=2**31, description="largest number of tokens on either side of a batch, padding included"
    )
    sort_within: int = Field(
        8,
        gt=0,
        le=2**20,
        description="pairs are sorted by length within groups of so many batches: an update of a smaller group teaches "
        "more, a larger group has less padding",
    )
    max_length: int = Field(
        0, ge=0, le=2**31, description="largest number of tokens on either side of a training pair; 0: any number"
    )
    long: Literal["skip", "cut"] = Field(
        "skip", description="longer training pairs are left out, or cut there", json_schema_extra=needs(max_length=True)
    )
    hallucinate: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the training pairs, others in each epoch, whose stem gets random letters: what the "
        "target copies from the source, three letters or more; for few pairs",
    )
    columns: ColumnChoice = columns_field(("source", "target"))
    reverse: bool = Field(False, description="the second column is the source")


class DecodingSettings(SearchSettings):
    max_length: int = Field(
        0, ge=0, description="largest number of tokens of a target; 0: twice the length of the source, plus 20"
    )
    copy_unknown: bool = Field(False, description="replace <unk> by the source word with the most attention")
    validation_examples: int = Field(
        500, ge=0, description="sources that are decoded, by greedy search, at each validation; 0: all"
    )


class TranslateSettings(EncoderDecoderSettings):
    tokenizer: PairTokenizerSettings = PairTokenizerSettings()
    data: DataSettings = DataSettings()
    decoding: DecodingSettings = DecodingSettings()


RECURRENT: dict[str, Any] = {
    "embedding.dim": 128,
    "embedding.dropout": 0.3,
    "encoder.hidden_size": 128,
    "encoder.num_layers": 1,
    "decoder.hidden_size": 128,
    "decoder.num_layers": 1,
    "output.skip_connection": True,
    "output.dropout": 0.3,
    "output.label_smoothing": "auto",
    "data.tokens_per_batch": 1_000,
    "training.learning_rate": 4e-3,
}
ATTENTION: dict[str, Any] = {
    "attention.skip_connection": True,
    "encoder.num_layers": 2,
    "encoder.dropout": 0.25,
}
TRANSFORMER: dict[str, Any] = {
    "embedding.dim": 128,
    "encoder.model_dim": 128,
    "encoder.num_layers": 3,
    "encoder.feed_forward_size": 512,
    "encoder.dropout": 0.1,
    "decoder.model_dim": 128,
    "decoder.num_layers": 3,
    "decoder.feed_forward_size": 512,
    "decoder.dropout": 0.1,
    "output.label_smoothing": "auto",
    "data.tokens_per_batch": 800,
    "training.learning_rate": 1.5e-3,
    "training.warmup": 0.1,
}
"""These are for minutes on a CPU: many small updates of a narrow network; a wide one would not finish learning
(LOG.md)."""
