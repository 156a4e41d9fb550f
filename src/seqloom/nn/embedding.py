"""Token ids to vectors."""

from __future__ import annotations

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.nn.dropout import VariationalDropout, WordDropout


class EmbeddingSettings(Settings):
    dim: int = Field(256, gt=0, le=2**16, description="numbers a token")
    from_: str = Field("", alias="from", description="vectors to begin with: a run or a file; their dim is taken")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="rate at which a token's whole vector is dropped")
    dropout: float = Field(0.0, ge=0, lt=1, description="rate of variational dropout on the vectors")


class TokenEmbedding(nn.Module):
    """A table of `vocab_size` vectors, with word and variational dropout."""

    def __init__(self, vocab_size: int, settings: EmbeddingSettings) -> None:
        super().__init__()
        self.dim = settings.dim
        self.table = nn.Embedding(vocab_size, settings.dim)
        nn.init.normal_(self.table.weight, std=0.05)
        self.word_dropout = WordDropout(settings.word_dropout, vocab_size)
        self.dropout = VariationalDropout(settings.dropout)

    def forward(self, token_ids: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time dim"]:
        return self.dropout(self.word_dropout(self.table(token_ids), token_ids))
