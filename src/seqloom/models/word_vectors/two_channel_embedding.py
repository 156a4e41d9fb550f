"""An embedding with two channels: a trained vector of each token, and a fixed pretrained one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.data.tokenizer import SPECIALS, UNK
from seqloom.errors import SeqloomError
from seqloom.models.word_vectors.pretrained import root_mean_square, token_vectors
from seqloom.models.word_vectors.table import VectorTable
from seqloom.nn.dropout import VariationalDropout
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding

_MIN_COUNT = 2
"""A token with at least this many occurrences in the training data has its own trained vector; all others share that
of `<unk>`."""


class PretrainedTokens(NamedTuple):
    """Tokens with pretrained vectors. `rows` (vocab,): the row of each token in the trained channel; `vectors` (vocab,
    dim): the pretrained channel, zeros if a token has no vector."""

    rows: Int[Tensor, " vocab"]
    vectors: Float[Tensor, "vocab dim"]

    @classmethod
    def of(
        cls, tokens: Sequence[str], counts: NDArray[np.int64], vectors: VectorTable, setting: str
    ) -> PretrainedTokens:
        """`counts` (vocab,): the frequency of each of the `tokens` in the training data. The pretrained vectors are
        scaled to a mean square of 1. Raises RequestError if no token has one."""
        ids, rows_found = token_vectors(tokens, vectors, setting)
        fixed = torch.zeros(len(tokens), rows_found.shape[1])
        fixed[ids] = rows_found / root_mean_square(rows_found)
        trained = np.flatnonzero((np.arange(len(tokens)) < len(SPECIALS)) | (counts >= _MIN_COUNT))
        rows = torch.full((len(tokens),), UNK)
        rows[trained] = torch.arange(len(trained))
        return cls(rows, fixed)

    @classmethod
    def saved(cls, tensors: Mapping[str, Tensor], prefix: str) -> PretrainedTokens | None:
        """The tokens of a saved `TwoChannelEmbedding`, or None if there is none under the `prefix`."""
        if f"{prefix}known" not in tensors:
            return None
        rows, known = tensors[f"{prefix}rows"], tensors[f"{prefix}known"]
        if rows.shape != known.shape[:1] or not len(rows) or rows.min() < 0 or rows.max() >= len(rows):
            raise SeqloomError(
                "the pretrained vectors of the model are damaged", where="model.safetensors", got="a row out of range"
            )
        return cls(rows, known)


class TwoChannelEmbedding(nn.Module):
    """The trained and the pretrained vector of a token, concatenated. One channel stays fixed, so that words which are
    not in the training data are represented like similar words (Kim 2014, section 3.1)."""

    def __init__(self, source: PretrainedTokens, settings: EmbeddingSettings) -> None:
        super().__init__()
        undropped = settings.model_copy(update={"dropout": 0.0})
        self.learnt = TokenEmbedding(int(source.rows.max()) + 1, undropped)
        self.dropout = VariationalDropout(settings.dropout)
        self.rows: Tensor
        self.known: Tensor
        self.register_buffer("rows", source.rows)
        self.register_buffer("known", source.vectors)
        self.dim = settings.dim + source.vectors.shape[1]

    @torch.no_grad()
    def grown_from(self, earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A new token with a trained vector of its own gets a row after the earlier ones."""
        if "rows" not in earlier:
            return {}
        rows, table = earlier["rows"], earlier["learnt.table.weight"]
        new = self.rows[len(rows) :].clone()
        has_row = new != UNK
        fresh = self.learnt.table.weight[new[has_row]]
        new[has_row] = torch.arange(len(table), len(table) + len(fresh))
        return {"rows": torch.cat([rows, new]), "learnt.table.weight": torch.cat([table, fresh])}

    @property
    def num_embeddings(self) -> int:
        return len(self.rows)

    def forward(self, token_ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        return self.dropout(torch.cat([self.learnt(self.rows[token_ids]), self.known[token_ids]], dim=2))
