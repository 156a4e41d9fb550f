"""Initialises embeddings from pretrained word vectors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import RequestError
from seqloom.models.word_vectors.table import VectorTable


class TokenVectors(NamedTuple):
    """The tokens that have a pretrained vector. `ids`: their ids in the vocabulary; `rows`: (ids, dim)."""

    ids: list[int]
    rows: Float[Tensor, "ids dim"]


@torch.no_grad()
def initialise_embedding(
    embedding: nn.Embedding, tokens: Sequence[str], vectors: VectorTable, setting: str
) -> TokenVectors:
    """Copies pretrained vectors into the rows of the `tokens` that have one, scaled to the root mean square of the
    embedding's initial values, to which the other initial weights of the network are adapted.

    Raises RequestError if the dimensions differ or no token has a vector. `setting` is the setting's name for the
    message.
    """
    if vectors.dim != embedding.embedding_dim:
        expected = f"{vectors.dim}, the dimension of {vectors.source}"
        raise RequestError(
            "the vectors have another dimension", where=setting, got=embedding.embedding_dim, expected=expected
        )
    pretrained = token_vectors(tokens, vectors, setting)
    size = float(embedding.weight.square().mean().sqrt())
    embedding.weight[pretrained.ids] = pretrained.rows * (size / root_mean_square(pretrained.rows))
    return pretrained


def token_vectors(tokens: Sequence[str], vectors: VectorTable, setting: str) -> TokenVectors:
    """Looks up the `tokens` (special tokens have no vector) and prints on standard error how many have a vector. Raises
    RequestError if none has."""
    places = [vectors.place(token) if number >= len(SPECIALS) else None for number, token in enumerate(tokens)]
    ids = [number for number, place in enumerate(places) if place is not None]
    print(
        f"{setting}: {len(ids):,} of {len(tokens) - len(SPECIALS):,} tokens have vectors in {vectors.source}",
        file=sys.stderr,
    )
    if not ids:
        raise RequestError(
            "no token has a vector",
            where=setting,
            got=vectors.source,
            hint="a token matches if it is written the same, or else in lowercase",
        )
    return TokenVectors(ids, torch.from_numpy(vectors.matrix[[place for place in places if place is not None]].copy()))


def root_mean_square(rows: Tensor) -> float:
    return max(float(rows.square().mean().sqrt()), 1e-12)
