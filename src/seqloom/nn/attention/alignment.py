"""Attention of a recurrent decoder over the outputs of an encoder: additive, general and dot-product scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.errors import RequestError
from seqloom.nn.matrix_product import Linear


class AttentionSettings(Settings):
    score: Literal["general", "dot", "additive"] = Field(
        "general", description="h W s (Luong), h s (needs equal dimensions), or v tanh(W h + U s) (Bahdanau)"
    )
    skip_connection: bool = Field(
        False,
        description="skip connection: attention also reads the embeddings of the source, and the output layer their "
        "weighted mean",
    )
    input_feeding: bool = Field(
        False, description="feed the attentional vector of a step into the next; training then runs step by step"
    )


class AlignmentScore(nn.Module):
    """How well a query matches each output of the encoder. `keys` computes once what depends on the source only."""

    @abstractmethod
    def keys(self, source: Float[Tensor, "batch source size"]) -> Float[Tensor, "batch source key"]: ...

    @abstractmethod
    def forward(
        self,
        queries: Float[Tensor, "batch queries query"],
        keys: Float[Tensor, "batch source key"],
        bias: Float[Tensor, "batch 1 source"],
    ) -> Float[Tensor, "batch queries source"]:
        """The scores of every query, plus `bias`."""


class DotScore(AlignmentScore):
    """h^T s (Luong et al. 2015, equation 8)."""

    def __init__(self, query_size: int, source_size: int) -> None:
        super().__init__()
        if query_size != source_size:
            raise RequestError(
                "dot-product attention needs vectors of equal dimension",
                where="attention.score",
                got=f"dimension {query_size} in the decoder's hidden state, {source_size} in the source's annotations",
                expected="equal dimensions, or attention.score=general",
                hint="attention.skip_connection=false leaves out the embeddings",
            )

    def keys(self, source: Tensor) -> Tensor:
        return source

    def forward(self, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        return torch.baddbmm(bias, queries, keys.transpose(1, 2))


class GeneralScore(AlignmentScore):
    """h^T W s (Luong et al. 2015, equation 8)."""

    def __init__(self, query_size: int, source_size: int) -> None:
        super().__init__()
        self.project = Linear(source_size, query_size, bias=False)
        nn.init.xavier_uniform_(self.project.weight)

    def keys(self, source: Tensor) -> Tensor:
        return self.project(source)

    def forward(self, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        return torch.baddbmm(bias, queries, keys.transpose(1, 2))


class AdditiveScore(AlignmentScore):
    """v^T tanh(W h + U s) (Bahdanau et al. 2015, section A.1.2); v has the dimension of h."""

    def __init__(self, query_size: int, source_size: int) -> None:
        super().__init__()
        self.project_query = Linear(query_size, query_size, bias=False)
        self.project_source = Linear(source_size, query_size)
        self.weight = nn.Parameter(torch.empty(query_size).uniform_(-1, 1) * (3 / query_size) ** 0.5)
        for linear in (self.project_query, self.project_source):
            nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(self.project_source.bias)

    def keys(self, source: Tensor) -> Tensor:
        return self.project_source(source)

    def forward(self, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        hidden = torch.tanh(self.project_query(queries)[:, :, None] + keys[:, None])
        return hidden @ self.weight + bias


alignment_scores: dict[str, type[AlignmentScore]] = {
    "additive": AdditiveScore,
    "dot": DotScore,
    "general": GeneralScore,
}


def padding_bias(real: Bool[Tensor, "batch source"], dtype: torch.dtype) -> Float[Tensor, "batch 1 source"]:
    """A bias for scores: 0 at real elements, minus infinity in padding."""
    zeros = torch.zeros(real.shape, dtype=dtype, device=real.device)
    return zeros.masked_fill_(~real, float("-inf"))[:, None]


def attend(
    scores: Float[Tensor, "batch queries source"], values: Float[Tensor, "batch source size"]
) -> tuple[Float[Tensor, "batch queries size"], Float[Tensor, "batch queries source"]]:
    """The context vector of each query, the mean of the values weighted by softmax(scores), and the weights."""
    weights = torch.softmax(scores, dim=2)
    return torch.bmm(weights, values), weights
