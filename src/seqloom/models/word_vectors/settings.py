"""The settings of word vectors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqloom.config import Settings, needs
from seqloom.models.word_vectors.subwords import SubwordSettings


class WordVectorSettings(Settings):
    dim: int = Field(100, gt=0, le=2**16, description="dimension of the vectors")
    window: int = Field(
        5,
        gt=0,
        le=1_000,
        description="words on each side of the centre, at most; each window's width is drawn from 1 to this",
    )
    objective: Literal["negative-sampling", "hierarchical-softmax"] = Field(
        "negative-sampling",
        description="negative-sampling: tell a word from negative samples; hierarchical-softmax: predict its path in "
        "a Huffman tree",
    )
    negatives: int = Field(
        5, gt=0, le=1_000, description="negative-sampling: negative samples of each window",
        json_schema_extra=needs(objective=["negative-sampling"]),
    )  # fmt: skip
    negative_power: float = Field(
        0.75, ge=-2, le=2, description="negative samples are drawn in proportion to the counts to this power",
        json_schema_extra=needs(objective=["negative-sampling"]),
    )  # fmt: skip
    sample: float = Field(
        1e-3, ge=0, le=1, description="words that are a larger share of the text than this are subsampled; 0: none"
    )
    learning_rate: float = Field(0.025, gt=0, le=10, description="learning rate at the beginning; it falls linearly")
    last_learning_rate: float = Field(1e-4, gt=0, le=10, description="learning rate at the end")
    deterministic: bool = Field(
        False, description="train the same vectors with any number of threads, which is slower; otherwise the threads "
        "update shared vectors without locks, and the result is only reproducible with one thread"
    )  # fmt: skip
    subwords: SubwordSettings = SubwordSettings()


class CBOWSettings(WordVectorSettings):
    compat: Literal["none", "word2vec.c"] = Field(
        "none",
        description="none: the gradient of the context's mean is divided among its words; word2vec.c: it is not, as in "
        "word2vec.c and gensim (then learning_rate=0.025 does well)",
    )
