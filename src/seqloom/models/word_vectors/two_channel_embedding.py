"""Words by a vector that is learnt and, beside it, one that was known before and stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.data.labelled import ExtraVocabulary
from seqloom.data.tokenizer import SPECIALS, UNK
from seqloom.models.word_vectors.files import open_table
from seqloom.models.word_vectors.pretrained import find_rows
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding

_ENOUGH = 2
"""A token that occurs so often in the training data has a vector of its own; all others share that of `<unk>`."""


def more_words(source: str) -> ExtraVocabulary | None:
    """The words of `source` (a run or a file of vectors; empty: nothing), the frequent ones first."""
    if not source:
        return None
    path = Path(source)
    held = path / "model.safetensors" if path.is_dir() else path
    mark = f"{held.resolve()} {held.stat().st_size} {held.stat().st_mtime_ns}" if held.exists() else source

    def read() -> Sequence[str]:
        table = open_table(source)
        return [table.words[place] for place in table.frequent().tolist()]

    return ExtraVocabulary(mark, read)


class KnownTokens(NamedTuple):
    """A source of tokens. `rows`: (vocab,), which of the learnt vectors each token has; `vectors`: (vocab, dim), those
    that are known, zeros where there is none."""

    rows: Int[Tensor, " vocab"]
    vectors: Float[Tensor, "vocab dim"]

    @classmethod
    def of(cls, tokens: Sequence[str], counts: NDArray[np.int64], source: str, setting: str) -> KnownTokens:
        """`counts`: (vocab,), how often each of the `tokens` occurs in the training data. The known vectors are scaled
        to a mean square of 1. Raises RequestError where no token has one."""
        numbers, found = find_rows(tokens, source, setting)
        vectors = torch.zeros(len(tokens), found.shape[1])
        vectors[numbers] = found / found.square().mean().sqrt().clamp(min=1e-12)
        own = np.flatnonzero((np.arange(len(tokens)) < len(SPECIALS)) | (counts >= _ENOUGH))
        rows = torch.full((len(tokens),), UNK)
        rows[own] = torch.arange(len(own))
        return cls(rows, vectors)

    @classmethod
    def saved(cls, tensors: Mapping[str, Tensor], prefix: str) -> KnownTokens | None:
        """Those of a saved `KnownBeside`; None where there is none under the `prefix`."""
        if f"{prefix}known" not in tensors:
            return None
        return cls(tensors[f"{prefix}rows"], tensors[f"{prefix}known"])


class KnownBeside(nn.Module):
    """The learnt vector of a token, joined with the one that is known: two channels, of which one stays as it is, so
    that words which training never saw are read as those that are like them (Kim 2014, section 3.1)."""

    def __init__(self, source: KnownTokens, settings: EmbeddingSettings) -> None:
        super().__init__()
        own = settings.model_copy(update={"dropout": 0.0})
        self.learnt = TokenEmbedding(int(source.rows.max()) + 1, own)
        self.dropout = VariationalDropout(settings.dropout)
        self.rows: Tensor
        self.known: Tensor
        self.register_buffer("rows", source.rows)
        self.register_buffer("known", source.vectors)
        self.dim = settings.dim + source.vectors.shape[1]

    def forward(self, token_ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        return self.dropout(torch.cat([self.learnt(self.rows[token_ids]), self.known[token_ids]], dim=2))
