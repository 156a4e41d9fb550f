"""Token embeddings."""

from __future__ import annotations

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.dropout import VariationalDropout, WordDropout


class EmbeddingSettings(Settings):
    dim: int = Field(256, gt=0, le=2**16, description="dimension of a token's embedding")
    from_: str = Field("", alias="from", description="pretrained embeddings: a run or a file; sets dim")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="rate at which a token's whole embedding is dropped")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of variational dropout on the embeddings")


class TokenEmbedding(nn.Module):
    """A table of `vocab_size` vectors, with word dropout and variational dropout."""

    def __init__(self, vocab_size: int, settings: EmbeddingSettings) -> None:
        super().__init__()
        self.dim = settings.dim
        self.table = nn.Embedding(vocab_size, settings.dim)
        nn.init.normal_(self.table.weight, std=0.05)
        self.word_dropout = WordDropout(settings.word_dropout, vocab_size)
        self.dropout = VariationalDropout(settings.dropout)

    @property
    def num_embeddings(self) -> int:
        return self.table.num_embeddings

    def forward(self, token_ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        return self.dropout(self.word_dropout(self.table(token_ids), token_ids))
